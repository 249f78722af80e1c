import type { WorkerStatus } from '../../batches/status-report.js'
import { figureOr, formatDuration } from '../../domain/format.js'
import type { PageContext } from './layout.js'
import { When } from './text.js'

export function Workers({
  workers,
  context,
}: {
  readonly workers: readonly WorkerStatus[]
  readonly context: PageContext
}) {
  if (workers.length === 0) return null
  const { now } = context
  return (
    <section class="panel workers" aria-labelledby="workers" data-live="workers">
      <h2 id="workers">Workers</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              {['Host', 'Process', 'Since', 'In flight', 'Write failure'].map((name) => (
                <th scope="col">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {workers.map(({ host, pid, since, in_flight, write_failure }) => (
              <tr>
                <td>{host ?? 'an earlier version'}</td>
                <td>{pid ?? '–'}</td>
                <td>
                  {since === null ? (
                    '–'
                  ) : (
                    <>
                      <When at={Date.parse(since)} now={now} /> ({formatDuration(now - Date.parse(since))})
                    </>
                  )}
                </td>
                <td>{figureOr(in_flight, '–')}</td>
                <td class={write_failure === null ? 'quiet' : 'tone-bad failure'}>{write_failure ?? 'none'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
