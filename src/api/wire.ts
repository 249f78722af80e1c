/** The wire shapes of the API document. Outgoing ones are exact; of incoming ones every field may be missing. */

export interface WireTrack {
  id: string
  title: string
  artist: string
  duration_seconds: number
  bpm: number
  key: string
  genre: string
  subgenres: string[]
  moods: string[]
  has_vocals: boolean
  energy_level: string
  instruments: string[]
  preview_url: string
}

/** POST /search, 200. */
export interface WireAnswer {
  tracks: WireTrack[]
  credits_remaining: number
}

/** GET /me, 200. */
export interface WireMe {
  tier: string
  credits_remaining: number
  monthly_allowance: number
  rate_limit: { requests_per_minute: number; requests_per_day: number | null }
  created_at: string
  last_used_at: string | null
}

/** Either of the documented error shapes. */
export type WireError = { error: string; message: string } | { error: string; code: string }
