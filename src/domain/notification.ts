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
