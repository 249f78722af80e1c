import { exitCodeOf, textOf } from '../program.js'
import { BARE_WORKER_ROLE, playBareWorker } from './bare-worker.js'
import { DOCUMENTED_LOOP_ROLE, playDocumentedLoop } from './documented-loop.js'
import { startRole } from './environment.js'
import { FAST_SERVER_ROLE, playFastServer } from './fast-server.js'
import { type ProcessFacts, watchFacts } from './process-facts.js'

/** The modules of these roles are loaded only when played: otherwise a baseline's CPU and memory would include them. */
export const PAIRS_ROLE = 'as-pairs'
export const DBOS_SUBMIT_ROLE = 'as-dbos-submit'
export const DBOS_WORKER_ROLE = 'as-dbos-worker'

/**
 * The server and each baseline run in a process of their own, so that they do not slow down the process that measures
 * them. `node bench.js as-… ARGUMENTS` plays such a role. False: `argv` names none.
 */
export async function playRole(argv: readonly string[]): Promise<boolean> {
  const [role = '', first = '', second = '', third = '', fourth = ''] = argv
  switch (role) {
    case FAST_SERVER_ROLE:
      await playFastServer(Number(first))
      return true
    case DOCUMENTED_LOOP_ROLE:
      await playDocumentedLoop(first, Number(second))
      return true
    case BARE_WORKER_ROLE:
      await playBareWorker({ url: first, socketPath: second, searches: Number(third), concurrency: Number(fourth) })
      return true
    case PAIRS_ROLE: {
      const { playPairs } = await import('./pairs-role.js')
      await playPairs(first, second, third)
      return true
    }
    case DBOS_SUBMIT_ROLE: {
      const { playDbosSubmit } = await import('./dbos-worker.js')
      await playDbosSubmit(JSON.parse(first), Number(second))
      return true
    }
    case DBOS_WORKER_ROLE: {
      const { playDbosWorker } = await import('./dbos-worker.js')
      await playDbosWorker(JSON.parse(first), second)
      return true
    }
    default:
      return false
  }
}

/** Runs a role to its end. @returns its output, and what its process used. @throws Error when it fails */
export async function runRole(
  words: readonly string[],
): Promise<{ readonly stdout: string; readonly facts: ProcessFacts | null }> {
  const child = startRole(words, ['ignore', 'pipe', 'inherit'])
  const facts = watchFacts(child.pid ?? 0)
  const stdout = textOf(child.stdout)
  const code = await exitCodeOf(child)
  const seen = facts()
  if (code !== 0) throw new Error(`${words[0]} ended with ${code}`)
  return { stdout: stdout(), facts: seen }
}
