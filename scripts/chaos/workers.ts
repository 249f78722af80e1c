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
 * The workers, one per slot, in processes of their own. Whoever ends is replaced. A worker must end only
 * when it is made to: killed, or asked to stop and then with exit code 0. Anything else is `misconduct`.
 */
export interface Workers {
  startAll(): void
  /** SIGKILL. False: there was nobody to kill. */
  kill(slot: number, backAfterMs: number): boolean
  /** SIGTERM. */
  stop(slot: number, backAfterMs: number): boolean
  /** SIGSTOP, and SIGCONT after that time. */
  freeze(slot: number, forMs: number): boolean
  thawAll(): void
  running(): number
  readonly workerViolations: readonly string[]
  /** Starts that were given up because Redis was killed under them: exit code 3, as documented. */
  brokenStarts(): number
  readonly kills: readonly Kill[]
  readonly freezes: readonly Span[]
  /** Every process that was ever started. */
  readonly pids: readonly number[]
  /** Kills all of them. */
  close(): Promise<void>
}

/** A worker's end with calls in flight: from the kill, or from the freeze in which it came, to the kill. */
export interface Kill extends Span {
  readonly worker: number
  readonly startedAt: number
}

interface Member {
  readonly child: ChildProcess
  readonly number: number
  readonly startedAt: number
  ready: boolean
  /** Since when; null: it runs. */
  frozenAt: number | null
  fate: 'none' | 'killed' | 'asked to stop'
  lastWords: string[]
}

const ENTRY = fileURLToPath(new URL('../../workers/worker.js', import.meta.url))
const STOPS_WITHIN_MS = 20_000
const START_AGAIN_MS = 300
const LAST_WORDS = 12
/** Events and words that only a bug in the program writes. */
const BUG_EVENTS: readonly unknown[] = ['call.internal_error', 'call.record_failed', 'job.internal_error']
const BUG_WORDS = /UnhandledPromiseRejection|Uncaught|TypeError|ReferenceError/

export function openWorkers(environment: RunEnvironment, size: number): Workers {
  const slots: (Member | null)[] = Array.from({ length: size }, () => null)
  const workerViolations: string[] = []
  const pids: number[] = []
  const kills: Kill[] = []
  const freezes: Span[] = []
  const log = createWriteStream(join(environment.dir, 'workers.log'))
  let started = 0
  let brokenStarts = 0
  let closing = false

  function start(slot: number): void {
    if (closing || slots[slot] !== null) return
    started += 1
    // The channel tells it when this process is gone, whatever ended it.
    const child = spawn(process.execPath, [ENTRY], {
      cwd: environment.dir,
      env: { ...environment.envOf(slot), TRACKYARD_API_KEY: keyOf(started) },
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const member: Member = {
      child,
      number: started,
      startedAt: Date.now(),
      ready: false,
      frozenAt: null,
      fate: 'none',
      lastWords: [],
    }
    slots[slot] = member
    if (child.pid !== undefined) pids.push(child.pid)
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => heard(member, line))
    child.once('exit', (code, signal) => {
      slots[slot] = null
      ended(member, code, signal)
      if (member.fate === 'none') setTimeout(() => start(slot), START_AGAIN_MS)
    })
  }

  function heard(member: Member, line: string): void {
    log.write(`worker ${member.number}: ${line}\n`)
    const event = parseLogLine(line)?.event
    if (event === 'worker.started') member.ready = true
    if (event === 'shutdown.timeout') killed(member)
    if (BUG_EVENTS.includes(event) || BUG_WORDS.test(line))
      workerViolations.push(`worker ${member.number} reports a bug: ${line.slice(0, 600)}`)
    member.lastWords = [...member.lastWords.slice(1 - LAST_WORDS), line]
  }

  function killed({ number: worker, startedAt, frozenAt }: Member): void {
    kills.push({ worker, startedAt, from: frozenAt ?? Date.now(), to: Date.now() })
  }

  function ended(member: Member, code: number | null, signal: NodeJS.Signals | null): void {
    if (closing || member.fate === 'killed') return
    if (member.fate === 'asked to stop' && (code === 0 || (!member.ready && signal === 'SIGTERM'))) return
    if (!member.ready && code === 3) {
      brokenStarts += 1
      return
    }
    const how = member.fate === 'none' ? 'by itself' : 'when asked to stop'
    workerViolations.push(
      `worker ${member.number} ended ${how} with ${signal ?? `exit code ${code}`}; its last words:\n    ${member.lastWords.join('\n    ')}`,
    )
  }

  /** The one in that slot, or else the next one that lives. */
  function living(slot: number): { member: Member; slot: number } | null {
    for (let step = 0; step < size; step += 1) {
      const at = (slot + step) % size
      const member = slots[at]
      if (member !== null && member !== undefined && member.fate === 'none') return { member, slot: at }
    }
    return null
  }

  function end(wanted: number, signal: 'SIGKILL' | 'SIGTERM', backAfterMs: number): boolean {
    const found = living(wanted)
    if (found === null) return false
    const { member, slot } = found
    member.fate = signal === 'SIGKILL' ? 'killed' : 'asked to stop'
    if (signal === 'SIGKILL') killed(member)
    member.child.kill(signal)
    const tooLong = setTimeout(() => {
      workerViolations.push(`worker ${member.number} had not ended ${STOPS_WITHIN_MS} ms after ${signal}`)
      member.fate = 'killed'
      member.child.kill('SIGKILL')
    }, STOPS_WITHIN_MS)
    member.child.once('exit', () => {
      clearTimeout(tooLong)
      setTimeout(() => start(slot), backAfterMs)
    })
    return true
  }

  function thaw(member: Member): void {
    if (member.frozenAt !== null) freezes.push({ from: member.frozenAt, to: Date.now() })
    member.frozenAt = null
    member.child.kill('SIGCONT')
  }

  const present = (): Member[] => slots.filter((member) => member !== null)
  return {
    startAll() {
      for (const slot of slots.keys()) start(slot)
    },
    kill: (slot, backAfterMs) => end(slot, 'SIGKILL', backAfterMs),
    stop: (slot, backAfterMs) => end(slot, 'SIGTERM', backAfterMs),
    freeze(slot, forMs) {
      const found = living(slot)
      if (found === null || found.member.frozenAt !== null) return false
      found.member.frozenAt = Date.now()
      found.member.child.kill('SIGSTOP')
      setTimeout(() => thaw(found.member), forMs)
      return true
    },
    thawAll() {
      for (const member of present()) thaw(member)
    },
    running: () => present().filter((member) => member.ready).length,
    workerViolations,
    brokenStarts: () => brokenStarts,
    kills,
    freezes,
    pids,
    async close() {
      closing = true
      for (const member of present()) member.child.kill('SIGKILL')
      while (present().length > 0) await sleep(20)
      log.end()
    },
  }
}
