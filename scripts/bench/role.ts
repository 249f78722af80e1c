import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BARE_WORKER, playBareWorker } from './bare-worker.js'
import { DOCUMENTED_LOOP, playDocumentedLoop } from './documented-loop.js'
import { FAST_SERVER, playFastServer } from './fast-server.js'

/**
 * The bench's own processes: server and baselines each get one, or they would compete with the clock that
 * measures them. `node bench.js as-… ARGUMENTS` plays a role; false when the words name none.
 */
export async function playRole(argv: readonly string[]): Promise<boolean> {
  const [role = '', first = '', second = '', third = '', fourth = ''] = argv
  switch (role) {
    case FAST_SERVER:
      await playFastServer(Number(first))
      return true
    case DOCUMENTED_LOOP:
      await playDocumentedLoop(first, Number(second))
      return true
    case BARE_WORKER:
      await playBareWorker({ url: first, socketPath: second, searches: Number(third), concurrency: Number(fourth) })
      return true
    default:
      return false
  }
}

/** Runs a role to its end. @throws Error when it fails */
export async function runRole(benchEntry: string, words: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [benchEntry, ...words], { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${words[0]} ended with ${code}`)
}
