import type { StatusReport } from '../../batches/status-report.js'
import { formatDuration } from '../../domain/format.js'
import type { PauseCause } from '../../domain/pause.js'
import { usePage } from './layout.js'
import { Prose, When } from './parts.js'

/** The banner with the state: its colour, the whole message, since when, and the buttons that change it. */

type Tone = 'good' | 'wait' | 'bad' | 'hand' | 'idle'

const PAUSED_TITLES: Readonly<Record<PauseCause, string>> = {
  operator: 'Paused by hand',
  no_credits: 'Paused: out of credits',
  reserve: 'Paused: at the credit reserve',
  unauthorized: 'Paused: API key refused',
  failing: 'Paused: searches refused',
  outage: 'Paused: API outage',
  outside_hours: 'Outside the active hours',
}

const REDIS_AWAY = 'Redis cannot be used'

export function titleOf({ state, causes, probing, waiting }: StatusReport['queue'], isRedisAway: boolean): string {
  if (isRedisAway) return REDIS_AWAY
  switch (state) {
    case 'paused':
      return causes[0] === undefined ? 'Paused' : PAUSED_TITLES[causes[0]]
    case 'unknown':
      return REDIS_AWAY
    case 'no_workers':
      return waiting > 0 ? 'No worker is running' : 'Idle, without a worker'
    case 'rate_limited':
      return 'Rate limited'
    case 'write_failure':
      return 'The store cannot be written'
    case 'running':
      return probing ? 'Resuming' : 'Running'
    case 'idle':
      return 'Idle'
    default:
      return state satisfies never
  }
}

function toneOf({ state, causes, probing, waiting, write_failures }: StatusReport['queue']): Tone {
  if (write_failures > 0) return 'bad'
  switch (state) {
    case 'paused':
      if (causes.every((cause) => cause === 'outside_hours')) return 'wait'
      return causes.every((cause) => cause === 'operator') ? 'hand' : 'bad'
    case 'no_workers':
      return waiting > 0 ? 'bad' : 'idle'
    case 'unknown':
    case 'write_failure':
      return 'bad'
    case 'rate_limited':
      return 'wait'
    case 'running':
      return probing ? 'wait' : 'good'
    case 'idle':
      return 'idle'
    default:
      return state satisfies never
  }
}

export function Banner(props: { readonly report: StatusReport; readonly isRedisAway: boolean; readonly level: 1 | 2 }) {
  const { isRedisAway, level } = props
  const { queue } = props.report
  const Heading = level === 1 ? 'h1' : 'h2'
  const since = queue.since === null ? null : Date.parse(queue.since)
  const until = queue.until === null ? null : Date.parse(queue.until)
  const { now, readOnly } = usePage()
  return (
    <section class={`banner tone-${isRedisAway ? 'bad' : toneOf(queue)}`} aria-labelledby="state">
      <div class="banner-text">
        <Heading id="state" class="state">
          <span class="dot" aria-hidden="true"></span>
          {titleOf(queue, isRedisAway)}
        </Heading>
        <p class="reason">
          <Prose text={queue.reason.replace(/^Running: /, '')} />
        </p>
        {since === null && until === null ? null : (
          <p class="moments">
            {since === null ? null : (
              <span>
                Since <When at={since} /> ({formatDuration(now - since)})
              </span>
            )}
            {until === null ? null : (
              <span>
                Until <When at={until} />
              </span>
            )}
          </p>
        )}
      </div>
      {readOnly ? null : <Actions queue={queue} />}
    </section>
  )
}

/** Plain forms: they work without the script. The server refuses requests from other sites. */
function Actions({ queue }: { readonly queue: StatusReport['queue'] }) {
  const { base } = usePage()
  const isByHand = queue.causes.includes('operator')
  const isFailing = queue.causes.includes('failing')
  const canResume = queue.state === 'paused' || queue.state === 'rate_limited'
  return (
    <div class="actions">
      {isFailing ? (
        <a class="button" href={`${base}/dead-letters`}>
          Dead letters
        </a>
      ) : null}
      {canResume ? (
        <form method="post" action={`${base}/actions/resume`}>
          <button type="submit" class="primary">
            Resume
          </button>
        </form>
      ) : null}
      {isByHand ? null : (
        <form method="post" action={`${base}/actions/pause`} class="pause">
          <input name="reason" maxlength={200} aria-label="Reason for the pause" placeholder="Reason (optional)" />
          <button type="submit">Pause</button>
        </form>
      )}
    </div>
  )
}
