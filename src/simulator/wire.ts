/** What goes over the wire, as the API document writes it down. All that the simulator and the client have in common. */
export interface WireTrack {
  readonly id: string
  readonly title: string
  readonly artist: string
  readonly duration_seconds: number
  readonly bpm: number
  readonly key: string
  readonly genre: string
  readonly subgenres: readonly string[]
  readonly moods: readonly string[]
  readonly has_vocals: boolean
  readonly energy_level: 'low' | 'medium' | 'high'
  readonly instruments: readonly string[]
  readonly preview_url: string
}

/** GET /me */
export interface WireAccount {
  readonly tier: string | null
  readonly credits_remaining: number
  readonly monthly_allowance: number | null
  readonly rate_limit: { readonly requests_per_minute: number | null; readonly requests_per_day: number | null } | null
  /** ISO 8601. */
  readonly created_at: string
  readonly last_used_at: string | null
}

/** One line of GET /usage */
export interface WireUsage {
  /** ISO 8601. */
  readonly timestamp: string
  readonly endpoint: string
  readonly status_code: number
  readonly credits_consumed: number
  readonly response_time_ms: number
}
