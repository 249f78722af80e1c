/** What happened, and who did it. Kept for an age, newest first. */
export const TIMELINE_KINDS = [
  'released',
  'cancelled',
  'completed',
  'paused',
  'resumed',
  'limit_changed',
  'credits_topped_up',
  'redis_restored',
  'worker_lost',
] as const
export type TimelineKind = (typeof TIMELINE_KINDS)[number]

/** `worker`: a worker did it by itself. */
export const ACTORS = ['command', 'board', 'script', 'worker'] as const
export type Actor = (typeof ACTORS)[number]

export interface TimelineEntry {
  readonly at: number
  readonly kind: TimelineKind
  readonly by: Actor
  /** One sentence for people, with figures. */
  readonly what: string
}
