import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseLogLine } from '../log-line.js'
import { keyOf, type RunEnvironment } from './environment.js'
import type { Span } from './span.js'

/**
 * The workers, one process per slot. A worker that ends is replaced. It may end only if it was killed, or asked to stop
 * (with exit code 0). Anything else is added to `workerViolations`. A start may fail with exit code 3, as documented,
 * because Redis was killed meanwhile.
 */
export interface Workers {
  startAll(): void
  /** SIGKILL. False: no worker was running. */
  kill(slot: number, backAfterMs: number): boolean
  /** SIGTERM. */
  stop(slot: number, backAfterMs: number): boolean
  /** SIGSTOP, and SIGCONT after that time. */
  freeze(slot: number, forMs: number): boolean
  thawAll(): void
  running(): number
  readonly workerViolations: readonly string[]
  readonly kills: readonly Kill[]
  readonly freezes: readonly Span[]
  /** All processes that were started. */
  readonly pids: readonly number[]
  /** Kills all workers. */
  close(): Promise<void>
}

/** A worker that ended with calls in flight. `from`: when it was killed, or frozen before the kill. `to`: the kill. */
export interface Kill extends Span {
  readonly worker: number
  readonly startedAt: number
}

interface WorkerProcess {
  readonly child: ChildProcess
  readonly number: number
  readonly startedAt: number
  ready: boolean
  /** Null: it is not frozen. */
  frozenAt: number | null
  fate: 'none' | 'killed' | 'asked to stop'
  lastLines: string[]
}

const ENTRY = fileURLToPath(new URL('../../workers/worker.js', import.meta.url))
const STOPS_WITHIN_MS = 20_000
const START_AGAIN_MS = 300
const LAST_LINES = 12
/** Log events and words that show a bug in the program. */
const BUG_EVENTS: readonly unknown[] = ['call.internal_error', 'call.record_failed', 'job.internal_error']
const BUG_WORDS = /UnhandledPromiseRejection|Uncaught|TypeError|ReferenceError/

export function openWorkers(environment: RunEnvironment, size: number): Workers {
  const slots: (WorkerProcess | null)[] = Array.from({ length: size }, () => null)
  const workerViolations: string[] = []
  const pids: number[] = []
  const kills: Kill[] = []
  const freezes: Span[] = []
  const log = createWriteStream(join(environment.dir, 'workers.log'))
  let started = 0
  let closing = false

  function start(slot: number): void {
    if (closing || slots[slot] !== null) return
    started += 1
    // With an IPC channel the worker stops when this process ends, for whatever reason.
    const child = spawn(process.execPath, [ENTRY], {
      cwd: environment.dir,
      env: { ...environment.envOf(slot), TRACKYARD_API_KEY: keyOf(started) },
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const worker: WorkerProcess = {
      child,
      number: started,
      startedAt: Date.now(),
      ready: false,
      frozenAt: null,
      fate: 'none',
      lastLines: [],
    }
    slots[slot] = worker
    if (child.pid !== undefined) pids.push(child.pid)
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => heard(worker, line))
    child.once('exit', (code, signal) => {
      slots[slot] = null
      ended(worker, code, signal)
      if (worker.fate === 'none') setTimeout(() => start(slot), START_AGAIN_MS)
    })
  }

  function heard(worker: WorkerProcess, line: string): void {
    log.write(`worker ${worker.number}: ${line}\n`)
    const event = parseLogLine(line)?.event
    if (event === 'worker.started') worker.ready = true
    if (event === 'shutdown.timeout') killed(worker)
    if (BUG_EVENTS.includes(event) || BUG_WORDS.test(line))
      workerViolations.push(`worker ${worker.number} reports a bug: ${line.slice(0, 600)}`)
    worker.lastLines = [...worker.lastLines.slice(1 - LAST_LINES), line]
  }

  function killed({ number: worker, startedAt, frozenAt }: WorkerProcess): void {
    kills.push({ worker, startedAt, from: frozenAt ?? Date.now(), to: Date.now() })
  }

  function ended(worker: WorkerProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (closing || worker.fate === 'killed') return
    if (worker.fate === 'asked to stop' && (code === 0 || (!worker.ready && signal === 'SIGTERM'))) return
    if (!worker.ready && code === 3) return
    const how = worker.fate === 'none' ? 'by itself' : 'when asked to stop'
    workerViolations.push(
      `worker ${worker.number} ended ${how} with ${signal ?? `exit code ${code}`}; its last lines:\n    ${worker.lastLines.join('\n    ')}`,
    )
  }

  /** The worker in that slot, or the next one that is running. */
  function findRunning(slot: number): { worker: WorkerProcess; slot: number } | null {
    for (let step = 0; step < size; step += 1) {
      const at = (slot + step) % size
      const worker = slots[at]
      if (worker !== null && worker !== undefined && worker.fate === 'none') return { worker, slot: at }
    }
    return null
  }

  function end(wanted: number, signal: 'SIGKILL' | 'SIGTERM', backAfterMs: number): boolean {
    const found = findRunning(wanted)
    if (found === null) return false
    const { worker, slot } = found
    worker.fate = signal === 'SIGKILL' ? 'killed' : 'asked to stop'
    if (signal === 'SIGKILL') killed(worker)
    worker.child.kill(signal)
    const tooLong = setTimeout(() => {
      workerViolations.push(`worker ${worker.number} had not ended ${STOPS_WITHIN_MS} ms after ${signal}`)
      worker.fate = 'killed'
      worker.child.kill('SIGKILL')
    }, STOPS_WITHIN_MS)
    worker.child.once('exit', () => {
      clearTimeout(tooLong)
      setTimeout(() => start(slot), backAfterMs)
    })
    return true
  }

  function thaw(worker: WorkerProcess): void {
    if (worker.frozenAt !== null) freezes.push({ from: worker.frozenAt, to: Date.now() })
    worker.frozenAt = null
    worker.child.kill('SIGCONT')
  }

  const present = (): WorkerProcess[] => slots.filter((worker) => worker !== null)
  return {
    startAll() {
      for (const slot of slots.keys()) start(slot)
    },
    kill: (slot, backAfterMs) => end(slot, 'SIGKILL', backAfterMs),
    stop: (slot, backAfterMs) => end(slot, 'SIGTERM', backAfterMs),
    freeze(slot, forMs) {
      const found = findRunning(slot)
      if (found === null || found.worker.frozenAt !== null) return false
      found.worker.frozenAt = Date.now()
      found.worker.child.kill('SIGSTOP')
      setTimeout(() => thaw(found.worker), forMs)
      return true
    },
    thawAll() {
      for (const worker of present()) thaw(worker)
    },
    running: () => present().filter((worker) => worker.ready).length,
    workerViolations,
    kills,
    freezes,
    pids,
    async close() {
      closing = true
      for (const worker of present()) worker.child.kill('SIGKILL')
      while (present().length > 0) await sleep(20)
      log.end()
    },
  }
}
