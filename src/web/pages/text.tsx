import type { Child } from 'hono/jsx'
import { formatDateTime, formatTime } from '../../domain/format.js'
import type { PageContext } from './layout.js'

/** Text of the pages. Everything is escaped by hono/jsx; nothing here is raw. */

/** Commands in `backticks` as code. */
export function Prose({ text }: { readonly text: string }) {
  return <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</>
}

/** What a button has just done; null: nothing. */
export function ActionResult({ text }: { readonly text: string | null }) {
  return text === null ? null : (
    <p class="done" role="status">
      {text}
    </p>
  )
}

/** Local time of the server, as in every message. */
export function When({ at, now }: { readonly at: number; readonly now: number }) {
  return (
    <time datetime={new Date(at).toISOString()} title={formatDateTime(at)}>
      {formatTime(at, now)}
    </time>
  )
}

/** To another page of the board. Plain text in a file, which has no other pages. */
export function Link(props: { readonly context: PageContext; readonly to: string; readonly children: Child }) {
  const { context, to, children } = props
  return context.isFile ? <span>{children}</span> : <a href={context.base + to}>{children}</a>
}
