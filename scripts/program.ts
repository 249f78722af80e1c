import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type LogLine, parseLogLine } from './log-line.js'

/** Starts the built program as its users do: commands and services in processes of their own. */

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * `detached`: in a process group of its own, so that Ctrl-C reaches only the script, which then stops its children.
 */
export type Place = Pick<SpawnOptions, 'cwd' | 'env' | 'detached'>

export function startCommand(args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(process.execPath, [join(ROOT, 'dist/scripts/trackyard-batch.js'), ...args], options)
}

/** Waits for the end, and until all output has been read. Null: it was killed. */
export async function exitCodeOf(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, 'close')) as [number | null]
  return code
}

/** Collects what comes. */
export function textOf(stream: NodeJS.ReadableStream | null): () => string {
  let text = ''
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}

export interface Service {
  readonly pid: number
  /** The line in its log. @throws Error, with its first lines as cause, when it ends before */
  readonly started: Promise<LogLine>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>
}

const LINES_OF_A_FAILED_START = 100

/** @param hear gets each line of its log; `line`: null if it is not JSON */
export function startService(
  name: 'worker' | 'board',
  place: Place,
  hear: (line: LogLine | null, text: string) => void = () => {},
): Service {
  const child = spawn(process.execPath, [join(ROOT, `dist/workers/${name}.js`)], {
    ...place,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = exitCodeOf(child)
  const said: string[] = []
  const started = new Promise<LogLine>((resolve, reject) => {
    // It is read to its end: a full pipe would block the process.
    createInterface({ input: child.stderr }).on('line', (text) => {
      if (said.length < LINES_OF_A_FAILED_START) said.push(text)
      const line = parseLogLine(text)
      hear(line, text)
      if (line?.event === `${name}.started`) resolve(line)
    })
    ended.then(
      (code) => reject(new Error(`The ${name} ended with exit code ${code}.`, { cause: said.join('\n') })),
      reject,
    )
  })
  // Not everybody waits for the start.
  started.catch(() => {})
  const end = (signal: NodeJS.Signals) => async (): Promise<void> => {
    child.kill(signal)
    await ended
  }
  return { pid: child.pid ?? 0, started, kill: end('SIGKILL'), stop: end('SIGTERM') }
}
