import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RowStatus } from '../../src/domain/states.js'
import type { LoggedCall } from '../../src/simulator/call-log.js'
import { type Audit, type AuditedCall, auditStore } from './audit.js'
import type { ChaosRow } from './batches.js'
import { workerOf } from './environment.js'
import type { RunContext } from './execute.js'
import type { Span } from './span.js'
import type { Kill } from './workers.js'

/** Four independent sources about the same run: the simulator's log, the ledger, the queues, the exported files. */
export interface Evidence {
  readonly server: readonly ServerCall[]
  readonly audit: Audit
  readonly batches: readonly ExportedBatch[]
  /** What was not finished when the time was up; see `waitUntilSettled`. */
  readonly unsettled: readonly string[]
  /** What the workers must not do and did, such as ending by themselves. */
  readonly workerViolations: readonly string[]
  /** Processes that still run after the end. */
  readonly leftBehind: readonly string[]
  readonly kills: readonly Kill[]
  readonly freezes: readonly Span[]
  /** From the end of a `pause` to the beginning of the next `resume`. */
  readonly pauses: readonly Span[]
  readonly requestTimeoutMs: number
  /** How many calls one worker may have in flight. */
  readonly concurrency: number
  /** Open calls older than this are given up as of unknown outcome, ms. */
  readonly callMaxAgeMs: number
}

export interface ServerCall
  extends Pick<
    LoggedCall,
    'number' | 'query' | 'receivedAt' | 'answeredAt' | 'charged' | 'status' | 'finished' | 'fault'
  > {
  /** The number of the worker that made it, from its key. */
  readonly worker: number
}

/** A call in the simulator's log, and its row in the ledger. */
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

/** Reads all sources; nothing may change meanwhile. */
export async function gatherEvidence({ plan, environment, released }: RunContext): Promise<Gathered> {
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

async function exported(
  environment: RunContext['environment'],
  batch: number,
): Promise<readonly ExportedLine[] | null> {
  const out = join(environment.dir, `batch-${batch}.jsonl`)
  const code = await environment.commandHere(['export', String(batch), '--format', 'jsonl', '--out', out])
  if (code !== 0) return null
  const lines = (await readFile(out, 'utf8')).split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as ExportedLine)
}
