/** The events that are sent to the webhook. The names are stable; docs/reference/notifications.md lists their figures. */
export const NOTIFICATION_EVENTS = [
  'batch.released',
  'batch.budget_used',
  'batch.dead_letters',
  'batch.late',
  'batch.done',
  'batch.cancelled',
  'queue.paused',
  'queue.resumed',
  'rate_limit.started',
  'rate_limit.ended',
  'credits.short',
  'worker.lost',
] as const

export type NotificationEvent = (typeof NOTIFICATION_EVENTS)[number]

export interface Notification {
  readonly event: NotificationEvent
  /** For people: what happened, figures, the next command. */
  readonly text: string
  /** Null: it concerns all batches. */
  readonly batch: { readonly id: number; readonly name: string } | null
  readonly figures: Readonly<Record<string, string | number | readonly string[] | null>>
}

/** Older ones are not sent any more: they would only confuse. */
export const NOTIFICATION_LIFETIME_MS = 24 * 60 * 60 * 1000
/** One that is pending for so long was not accepted at once. */
export const LATE_NOTIFICATION_MS = 60_000
