import { formatDateTime, formatTime } from '../../domain/format.js'

/** Text of the pages. Everything is escaped by hono/jsx; nothing here is raw. */

/** Commands in `backticks` as code. */
export function Prose({ text }: { readonly text: string }) {
  return <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</>
}

/** Local time of the server, as in every message. */
export function When({
  at,
  now,
  long = false,
}: {
  readonly at: number
  readonly now: number
  readonly long?: boolean
}) {
  return (
    <time datetime={new Date(at).toISOString()} title={formatDateTime(at)}>
      {long ? formatDateTime(at) : formatTime(at, now)}
    </time>
  )
}
