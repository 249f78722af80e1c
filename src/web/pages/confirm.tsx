import type { Child } from 'hono/jsx'
import { Page } from './layout.js'
import { Prose } from './parts.js'

/** Asks before something that costs or cannot be undone. */
export function Confirm(props: {
  readonly title: string
  readonly facts: readonly string[]
  readonly action: string
  readonly button: string
  readonly back: string
  /** Hidden fields of the form. */
  readonly children?: Child
}) {
  const { title, facts, action, button, back, children } = props
  return (
    <Page title={title}>
      <section class="panel confirm" aria-labelledby="question">
        <h1 id="question">
          <Prose text={title} />
        </h1>
        {facts.map((fact) => (
          <p>
            <Prose text={fact} />
          </p>
        ))}
        <form method="post" action={action} class="actions">
          {children}
          <button type="submit" class="primary">
            {button}
          </button>
          <a href={back}>Back, change nothing</a>
        </form>
      </section>
    </Page>
  )
}
