import { type Child, createContext, useContext } from 'hono/jsx'

export interface PageContext {
  /** The path at which a reverse proxy serves the board. Empty: the root. */
  readonly base: string
  readonly now: number
  /** Buttons are left out. */
  readonly readOnly: boolean
  /** A report in a file: without links to other pages. */
  readonly isFile: boolean
  /** How many there are, for the menu. */
  readonly deadLetters: number
}

const Current = createContext<PageContext | null>(null)
export const PageProvider = Current.Provider

/** The context of the page that is being drawn. */
export function usePage(): PageContext {
  const context = useContext(Current)
  if (context === null) throw new Error('There is no PageProvider around this.')
  return context
}

/** The frame of every page. */
export function Page(props: {
  readonly title: string
  /** Marked in the navigation. */
  readonly section?: 'overview' | 'dead letters'
  /** The script refreshes it. Without the script it is complete. */
  readonly isLive?: boolean
  /** The text in the search box. */
  readonly find?: string
  readonly children: Child
}) {
  const { base, deadLetters } = usePage()
  const links = [
    { href: `${base}/`, text: 'Overview', isHere: props.section === 'overview' },
    {
      href: `${base}/dead-letters`,
      text: 'Dead letters',
      isHere: props.section === 'dead letters',
      count: deadLetters,
    },
    { href: `${base}/queues`, text: 'Queues', isHere: false },
    { href: `${base}/metrics`, text: 'Metrics', isHere: false },
  ]
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${props.title} – Trackyard batch`}</title>
        <link rel="icon" href={`${base}/assets/icon.svg`} type="image/svg+xml" />
        <link rel="stylesheet" href={`${base}/assets/board.css`} />
        <script src={`${base}/assets/board.js`} defer></script>
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        <header class="top">
          <a class="brand" href={`${base}/`}>
            Trackyard batch
          </a>
          <nav aria-label="Pages">
            {links.map(({ href, text, isHere, count }) => (
              <a href={href} aria-current={isHere ? 'page' : undefined}>
                {text}
                {count === undefined || count === 0 ? null : <span class="badge">{count}</span>}
              </a>
            ))}
          </nav>
          <search class="find">
            <form action={`${base}/find`} method="get">
              <input
                type="search"
                name="q"
                aria-label="Find a row, a search or a batch"
                placeholder="Row id, query or batch"
                value={props.find ?? ''}
                required
              />
            </form>
          </search>
        </header>
        <p class="stale" role="alert" hidden></p>
        <main id="main" data-live={props.isLive === true ? '' : undefined}>
          {props.children}
        </main>
      </body>
    </html>
  )
}
