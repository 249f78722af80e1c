import type { Child } from 'hono/jsx'
import type { StatusReport } from '../../batches/status-report.js'
import { figureOr, formatDuration, formatNumber, pluralize } from '../../domain/format.js'
import { usePage } from './layout.js'
import { When } from './parts.js'

/** The numbers that decide whether somebody must act. */
export function Figures(props: { readonly report: StatusReport; readonly isRedisAway: boolean }) {
  const { report, isRedisAway } = props
  const { queue, credits, calls_per_minute } = report
  const { base } = usePage()
  const workers = workerNote(report)
  return (
    <section class="figures" aria-label="Figures">
      <Figure
        name="Credits left"
        value={figureOr(credits.remaining, 'not known')}
        note={<CreditNote credits={credits} />}
        tone={credits.missing > 0 ? 'bad' : null}
        meter={credits.remaining === null || credits.needed === 0 ? null : credits.remaining / credits.needed}
      />
      <Figure
        name="Calls a minute"
        value={formatNumber(calls_per_minute.last)}
        note={
          calls_per_minute.limit === null ? 'limit not known yet' : `of ${formatNumber(calls_per_minute.limit)} allowed`
        }
        meter={calls_per_minute.limit === null ? null : calls_per_minute.last / calls_per_minute.limit}
      />
      <Figure
        name="Searches due"
        value={formatNumber(queue.waiting)}
        note={
          isRedisAway
            ? 'in flight: not known'
            : `${formatNumber(queue.active)} in flight, ${formatNumber(queue.delayed)} delayed`
        }
      />
      <FinishFigure finishAt={report.finish_at} due={queue.waiting} credits={credits} />
      <Figure
        name="Dead letters"
        value={
          queue.dead_letters === 0 ? (
            '0'
          ) : (
            <a href={`${base}/dead-letters`} aria-label={pluralize(queue.dead_letters, 'dead letter')}>
              {formatNumber(queue.dead_letters)}
            </a>
          )
        }
        note={
          credits.unknown_unseen === 0
            ? 'no call of unknown outcome'
            : `${pluralize(credits.unknown_unseen, 'call')} of unknown outcome`
        }
        tone={queue.dead_letters > 0 ? 'wait' : null}
      />
      <Figure
        name="Workers"
        value={isRedisAway ? '–' : formatNumber(queue.workers)}
        note={isRedisAway ? 'not known' : workers.text}
        tone={workers.isBad && !isRedisAway ? 'bad' : null}
      />
    </section>
  )
}

/** @param props.due how many searches still have to be called until then */
export function FinishFigure(props: {
  readonly finishAt: string | null
  readonly due: number
  readonly credits: StatusReport['credits']
}) {
  const { finishAt, due, credits } = props
  const { now } = usePage()
  if (finishAt === null) {
    const unknown = credits.last_until === null ? 'not known in this state' : 'the credits end before'
    return <Figure name="Finish" value="–" note={due === 0 ? 'nothing is due' : unknown} />
  }
  const at = Date.parse(finishAt)
  return <Figure name="Finish" value={<When at={at} />} note={`in ${formatDuration(at - now)}`} />
}

function workerNote({ queue }: StatusReport): { readonly text: string; readonly isBad: boolean } {
  if (queue.write_failures > 0)
    return { text: `${formatNumber(queue.write_failures)} cannot write to the store`, isBad: true }
  if (queue.workers === 0) return { text: 'none is running', isBad: queue.waiting > 0 }
  return { text: 'running', isBad: false }
}

function CreditNote({ credits }: { readonly credits: StatusReport['credits'] }) {
  const needed = `${formatNumber(credits.needed)} needed`
  if (credits.needed === 0) return <>none needed</>
  if (credits.missing === 0) return <>{needed}</>
  return (
    <>
      {credits.last_until === null ? null : (
        <>
          last until about <When at={Date.parse(credits.last_until)} />;{' '}
        </>
      )}
      {formatNumber(credits.missing)} short
    </>
  )
}

export function Figure(props: {
  readonly name: string
  readonly value: Child
  readonly note: Child
  readonly tone?: 'bad' | 'wait' | null
  /** 0 to 1, or more: the part that is used, or covered. */
  readonly meter?: number | null
}) {
  const { tone = null, meter = null } = props
  return (
    <div class={tone === null ? 'figure' : `figure tone-${tone}`}>
      <h2>{props.name}</h2>
      <p class="value">{props.value}</p>
      <p class="note">{props.note}</p>
      {meter === null ? null : (
        <svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="rest" width="100" height="4" />
          <rect class="used" width={Math.min(100, Math.max(0, meter * 100)).toFixed(1)} height="4" />
        </svg>
      )}
    </div>
  )
}
