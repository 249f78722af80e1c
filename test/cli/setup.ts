import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { settingsOf } from '../../src/app/entry.js'
import { startWorker } from '../../src/app/start-worker.js'
import type { In, Interrupt, Out } from '../../src/cli/lib/cli.js'
import { run } from '../../src/cli/main.js'
import { NEVER_ABORTED } from '../../src/domain/abortable.js'
import type { ExitCode } from '../../src/domain/errors.js'
import { silentLogger } from '../../src/domain/logger.js'
import { SIMULATOR_KEY, type SimulatorOptions } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { startRedis, type TestRedis } from '../support/redis.js'

/** A user at a command line, with a directory, a store, a Redis and a simulated API. */
export interface Desk {
  readonly dir: string
  readonly dataDir: string
  readonly simulator: Simulator
  readonly redis: TestRedis
  file(name: string, content: string): Promise<string>
  /** Runs one command in this process. */
  type(line: readonly string[], options?: TypeOptions): Promise<Typed>
  /** Runs a command that must succeed, and returns its --json document. */
  json<T = Record<string, unknown>>(line: readonly string[], options?: TypeOptions): Promise<T>
  /** Runs a worker in this process until the batch is done or nothing of it is due. */
  work(): Promise<void>
  close(): Promise<void>
}

export interface TypeOptions {
  /** Undefined: not set. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly stdin?: string | In
  /** Makes stdin and stderr terminals; typed at the first question. */
  readonly answer?: string
  /** The same, one for each question, whatever it ends with. What a function does happens before its answer. */
  readonly answers?: readonly (string | (() => Promise<string>))[]
  readonly signal?: AbortSignal
  readonly stdout?: Out
  /** Called with the output so far, before the command continues. */
  readonly onStderr?: (textSoFar: string) => void
}

export interface Typed {
  readonly code: ExitCode
  readonly stdout: string
  readonly stderr: string
}

export const CATALOG = 'id,title,mood\nA,Harbor,calm\nB,Chase,tense\nC,Harbor,calm\nD,,\n'
export const QUERY = '{title} {mood} music'

export async function openDesk(options: Partial<SimulatorOptions> = {}): Promise<Desk> {
  const dir = await mkdtemp(join(tmpdir(), 'desk-'))
  const dataDir = join(dir, 'data')
  const simulator = await startSimulator({ perMinute: 6000, noMatchRate: 0, ...options })
  const redis = await startRedis()
  const env = {
    TRACKYARD_API_URL: simulator.url,
    TRACKYARD_API_KEY: SIMULATOR_KEY,
    TRACKYARD_DATA_DIR: dataDir,
    TRACKYARD_REDIS_URL: redis.url,
    TRACKYARD_MAX_ATTEMPTS: '1',
  }

  async function type(line: readonly string[], typing: TypeOptions = {}): Promise<Typed> {
    const stdout = typing.stdout ?? new PassThrough()
    const shown = typing.stdout === undefined ? text(stdout as PassThrough) : Promise.resolve('')
    let said = ''
    const isAnswering = typing.answer !== undefined || typing.answers !== undefined
    const answers = [...(typing.answers ?? [])]
    const stdin = isAnswering ? terminal(new PassThrough()) : inputOf(typing.stdin)
    const stderr = new Writable({
      decodeStrings: false,
      write(part: string | Buffer, _encoding, done) {
        said += String(part)
        typing.onStderr?.(said)
        if (typing.answer !== undefined && said.endsWith('[y/N] ')) (stdin as PassThrough).write(`${typing.answer}\n`)
        // Written only when the question is being listened to.
        if (/(:|\]) $/.test(said) && answers.length > 0)
          setTimeout(async () => {
            const next = answers.shift()
            ;(stdin as PassThrough).write(`${typeof next === 'function' ? await next() : next}\n`)
          }, 5)
        done()
      },
    })
    if (isAnswering) terminal(stderr)
    const never = new AbortController().signal
    const interruptSignal = (): Interrupt => ({ signal: typing.signal ?? never, dispose: () => {} })
    const given = Object.entries({ ...env, ...typing.env }).filter(([, value]) => value !== undefined)
    const io = { stdout, stderr, stdin, env: Object.fromEntries(given), cwd: dir, interruptSignal }
    const code = await run(line, io)
    if (typing.stdout === undefined) stdout.end()
    return { code, stdout: await shown, stderr: said }
  }

  return {
    dir,
    dataDir,
    simulator,
    redis,
    type,
    async json(line, typing) {
      const { code, stdout, stderr } = await type([...line, '--json'], typing)
      if (code !== 0) throw new Error(`${line.join(' ')} ended with ${code}: ${stderr}`)
      return JSON.parse(stdout)
    },
    async file(name, content) {
      await writeFile(join(dir, name), content)
      return join(dir, name)
    },
    async work() {
      const worker = await startWorker(settingsOf({ env, cwd: dir }), silentLogger, NEVER_ABORTED)
      try {
        const { code, stderr } = await type(['wait', '--timeout', '40'])
        if (code === 5) throw new Error(stderr)
      } finally {
        await worker.stop()
      }
    },
    async close() {
      await simulator.close()
      await redis.stop()
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** A stdout that aborts at its first write, before the writer continues. */
export function interruptingAtOnce(): { readonly stdout: Out; readonly signal: AbortSignal } {
  const stopping = new AbortController()
  const stdout = new Writable({
    write(_chunk, _encoding, done) {
      stopping.abort(new Error('Interrupted.'))
      done()
    },
  })
  return { stdout, signal: stopping.signal }
}

/** Aborts as soon as these words are printed to stderr, before the command continues. */
export function interruptingAfter(words: string): Pick<TypeOptions, 'signal' | 'onStderr'> {
  const stopping = new AbortController()
  const onStderr = (said: string): void => {
    if (said.includes(words)) stopping.abort(new Error('Interrupted.'))
  }
  return { signal: stopping.signal, onStderr }
}

export function terminal<T extends object>(stream: T): T & { isTTY: true; columns: number } {
  return Object.assign(stream, { isTTY: true as const, columns: 100 })
}

function inputOf(stdin: string | In | undefined): In {
  if (stdin !== undefined && typeof stdin !== 'string') return stdin
  const input = new PassThrough()
  input.end(stdin ?? '')
  return input
}
