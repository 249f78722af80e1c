import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll } from '@jest/globals'

/** Commands of the built program, in one process for all tests of a file. */
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

export function runCommand(args: readonly string[], { env, cwd }: Surroundings): Promise<CommandResult> {
  child ??= fork(PROGRAM, { env: { PATH: process.env.PATH, TZ: 'UTC' }, execArgv: [] }).setMaxListeners(0)
  const server = child
  sent += 1
  const id = sent
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error(`the process of the commands ended before ${args.join(' ')}`))
    server.once('exit', ended)
    server.on('message', function listen(result: CommandResult & { readonly id: number }) {
      if (result.id !== id) return
      server.off('message', listen)
      server.off('exit', ended)
      resolve(result)
    })
    server.send({ id, args, env, cwd })
  })
}
