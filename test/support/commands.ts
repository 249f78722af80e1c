import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll } from '@jest/globals'

/** Commands and workers of the built program, in one process for all tests of a file. */
export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

interface Surroundings {
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

const PROGRAM = fileURLToPath(new URL('command-server.mjs', import.meta.url))
let child: ChildProcess | null = null
let sent = 0

afterAll(async () => {
  if (child === null) return
  const exited = once(child, 'exit')
  child.disconnect()
  await exited
})

export function runCommand(args: readonly string[], surroundings: Surroundings): Promise<CommandResult> {
  return ask<CommandResult>({ args, ...surroundings }).ended
}

/** Starts a worker. `stop` does what SIGTERM does to one in a process of its own, and `ended` follows. */
export function runWorker(
  surroundings: Surroundings,
  onLine: (line: string) => void,
): { readonly stop: () => void; readonly ended: Promise<unknown> } {
  const { id, ended } = ask({ worker: 'start', ...surroundings }, onLine)
  return { stop: () => void child?.send({ id, worker: 'stop' }), ended }
}

function ask<T>(
  request: object,
  onLine: (line: string) => void = () => {},
): { readonly id: number; readonly ended: Promise<T> } {
  child ??= fork(PROGRAM, { env: { PATH: process.env.PATH, TZ: 'UTC' }, execArgv: [] }).setMaxListeners(0)
  const server = child
  sent += 1
  const id = sent
  const ended = new Promise<T>((resolve, reject) => {
    const onExit = (): void => reject(new Error(`the process of the commands ended before ${JSON.stringify(request)}`))
    server.once('exit', onExit)
    server.on('message', function listen(said: { readonly id: number; readonly line?: string; readonly ended?: T }) {
      if (said.id !== id) return
      if (said.line !== undefined) return onLine(said.line)
      server.off('message', listen)
      server.off('exit', onExit)
      resolve(said.ended as T)
    })
    server.send({ id, ...request })
  })
  return { id, ended }
}
