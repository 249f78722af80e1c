import type { Batch } from '../../store/store.js'
import type { Actor, TimelineEntry, TimelineKind, TimelineStore } from '../../store/timeline.js'
import { Panel, Prose, When } from './parts.js'

const BY: Readonly<Record<Actor, string>> = {
  command: 'by command',
  board: 'on the board',
  script: 'by a script',
  worker: 'by a worker',
}

const TONES: Readonly<Record<TimelineKind, string>> = {
  released: 'good',
  completed: 'good',
  resumed: 'good',
  credits_topped_up: 'good',
  cancelled: 'hand',
  limit_changed: 'idle',
  rate_limited: 'wait',
  paused: 'bad',
  redis_restored: 'wait',
  worker_lost: 'bad',
}

const MOST_ENTRIES = 200

/** What happened while a batch ran: whatever stopped it concerned all batches. */
export function batchTimeline(batch: Batch, timeline: TimelineStore, now: number): Promise<readonly TimelineEntry[]> {
  return timeline.list(MOST_ENTRIES, { from: batch.createdAt, to: batch.completedAt ?? now, batchId: batch.id })
}

export function Timeline({ entries }: { readonly entries: readonly TimelineEntry[] }) {
  return (
    <Panel id="timeline" title="What happened">
      {entries.length === 0 ? (
        <p class="quiet">Nothing yet.</p>
      ) : (
        <ol class="timeline">
          {entries.map((entry) => (
            <li class={`tone-${TONES[entry.kind]}`}>
              <When at={entry.at} />{' '}
              <span class="what">
                <Prose text={entry.what} />
              </span>{' '}
              <span class="by">{BY[entry.by]}</span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  )
}
