import type { Child } from 'hono/jsx'
import { formatDateTime, formatTime } from '../../domain/format.js'
import { usePage } from './layout.js'

/** Small parts of the pages. Everything is escaped by hono/jsx; nothing here is raw. */

/** A section with a heading. */
export function Panel(props: { readonly id: string; readonly title: Child; readonly children: Child }) {
  const { id, title, children } = props
  return (
    <section class="panel" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  )
}

export function Table({ head, children }: { readonly head: readonly string[]; readonly children: Child }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {head.map((name) => (
              <th scope="col">{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}

/** They turn round the text after them. A sentence of ours may quote a user's text with one. */
const DIRECTION_MARKS = /[\u202A-\u202E\u2066-\u2069]/g

/** A sentence of ours. Commands in `backticks` are code. */
export function Prose({ text }: { readonly text: string }) {
  const parts = text.replace(DIRECTION_MARKS, '').split('`')
  return <>{parts.map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</>
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
export function When({ at }: { readonly at: number }) {
  return (
    <time datetime={new Date(at).toISOString()} title={formatDateTime(at)}>
      {formatTime(at, usePage().now)}
    </time>
  )
}

/** A user's text that leads to another page of the board. Plain text in a file, which has no other pages. */
export function Link({ to, children }: { readonly to: string; readonly children: Child }) {
  const { base, isFile } = usePage()
  return isFile ? (
    <bdi>{children}</bdi>
  ) : (
    <a href={base + to}>
      <bdi>{children}</bdi>
    </a>
  )
}
