import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RowStatus } from '../../src/domain/states.js'
import type { LoggedCall } from '../../src/simulator/call-log.js'
import { type Audit, type AuditedCall, auditStore } from './audit.js'
import type { ChaosRow } from './batches.js'
import { workerOf } from './environment.js'
import type { Scene } from './execute.js'
import type { Span } from './span.js'
import type { Kill } from './workers.js'

/** What four witnesses say about the same night: the server's log, the ledger, the queues, the exported files. */
export interface Evidence {
  readonly server: readonly ServerCall[]
  readonly audit: Audit
  readonly batches: readonly ExportedBatch[]
  /** What still moved when the time to settle was up. */
  readonly unsettled: readonly string[]
  /** What the processes did that they must not do. */
  readonly workerViolations: readonly string[]
  /** Processes that outlived the run. */
  readonly leftBehind: readonly string[]
  /** Times are epoch milliseconds, in all of these. */
  readonly kills: readonly Kill[]
  readonly freezes: readonly Span[]
  /** From the end of a `pause` to the beginning of the next `resume`. */
  readonly pauses: readonly Span[]
  readonly requestTimeoutMs: number
  /** Calls that one worker may have in flight. */
  readonly concurrency: number
  /** A call that is older counts as lost, ms: the request timeout and its margin. */
  readonly callMaxAgeMs: number
}

export interface ServerCall
  extends Pick<
    LoggedCall,
    'number' | 'query' | 'receivedAt' | 'answeredAt' | 'charged' | 'status' | 'finished' | 'fault'
  > {
  /** Which worker called, by its key. */
  readonly worker: number
}

/** A call in the server's log, and the row of the ledger that announced it. */
export interface Match {
  readonly server: ServerCall
  readonly ledger: AuditedCall
}

export interface ExportedBatch {
  readonly name: string
  readonly cancelled: boolean
  readonly expected: readonly Pick<ChaosRow, 'id' | 'query'>[]
  /** Null: it was never released, or could not be exported. */
  readonly exported: readonly ExportedLine[] | null
}

export interface ExportedLine {
  readonly position: number
  readonly id: string | null
  readonly status: RowStatus
}

type Gathered = Pick<Evidence, 'server' | 'audit' | 'batches'>

/** Taken while everything still stands and nothing moves. */
export async function gather({ plan, environment, released }: Scene): Promise<Gathered> {
  const batches: ExportedBatch[] = []
  for (const { name, kind, rows } of plan.batches) {
    const id = released.get(name)
    batches.push({
      name,
      cancelled: kind === 'to be cancelled',
      expected: rows,
      exported: id === undefined ? null : await exported(environment, id),
    })
  }
  const server = environment.simulator.calls().map((call) => ({ ...call, worker: workerOf(call.keyId) }))
  return { server, audit: await auditStore(environment.store, environment.postgres?.damage), batches }
}

async function exported(environment: Scene['environment'], batch: number): Promise<readonly ExportedLine[] | null> {
  const out = join(environment.dir, `batch-${batch}.jsonl`)
  const { code } = await environment.command(['export', String(batch), '--format', 'jsonl', '--out', out])
  if (code !== 0) return null
  const lines = (await readFile(out, 'utf8')).split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as ExportedLine)
}
