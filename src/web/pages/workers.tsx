import type { WorkerStatus } from '../../batches/status-report.js'
import { figureOr, formatDuration } from '../../domain/format.js'
import { usePage } from './layout.js'
import { Panel, Table, When } from './parts.js'

export function Workers({ workers }: { readonly workers: readonly WorkerStatus[] }) {
  const { now } = usePage()
  if (workers.length === 0) return null
  return (
    <Panel id="workers" title="Workers">
      <Table head={['Host', 'Process', 'Since', 'In flight at the last heartbeat', 'Write failure']}>
        {workers.map(({ host, pid, since, in_flight, write_failure }) => (
          <tr>
            <td>{host ?? 'waits for its store'}</td>
            <td>{pid ?? '–'}</td>
            <td>
              {since === null ? (
                '–'
              ) : (
                <>
                  <When at={Date.parse(since)} /> ({formatDuration(now - Date.parse(since))})
                </>
              )}
            </td>
            <td>{figureOr(in_flight, '–')}</td>
            <td class={write_failure === null ? 'quiet' : 'tone-bad failure'}>{write_failure ?? 'none'}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  )
}
