/** The shapes of the API document as they travel. What comes in is never trusted to have them: see answer.ts and me.ts. */

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

/** GET /me, 200. */
export interface WireMe {
  tier: string
  credits_remaining: number
  monthly_allowance: number
  rate_limit: { requests_per_minute: number; requests_per_day: number | null }
  created_at: string
  last_used_at: string | null
}
