import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BARE_WORKER_ROLE, playBareWorker } from './bare-worker.js'
import { DOCUMENTED_LOOP_ROLE, playDocumentedLoop } from './documented-loop.js'
import { FAST_SERVER_ROLE, playFastServer } from './fast-server.js'
import type { ProcessFacts } from './process-facts.js'
import { watchFacts } from './process-facts.js'

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

/** Runs a role to its end. @returns what its process used. @throws Error when it fails */
export async function runRole(benchEntry: string, words: readonly string[]): Promise<ProcessFacts | null> {
  const child = spawn(process.execPath, [benchEntry, ...words], { stdio: ['ignore', 'inherit', 'inherit'] })
  const facts = watchFacts(child.pid ?? 0)
  const [code] = (await once(child, 'exit')) as [number | null]
  const seen = facts()
  if (code !== 0) throw new Error(`${words[0]} ended with ${code}`)
  return seen
}

/** Runs a role to its end. @returns its output. @throws Error when it fails */
export async function readRole(benchEntry: string, words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [benchEntry, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${words[0]} ended with ${code}`)
  return text
}
