import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BARE_WORKER, playBareWorker } from './bare-worker.js'
import { DOCUMENTED_LOOP, playDocumentedLoop } from './documented-loop.js'
import { FAST_SERVER, playFastServer } from './fast-server.js'
import type { ProcessFacts } from './process-facts.js'
import { watchFacts } from './process-facts.js'

/** These load their modules themselves: a baseline must not carry them. */
export const PAIRS = 'as-pairs'
export const DBOS_SUBMIT = 'as-dbos-submit'
export const DBOS_WORKER = 'as-dbos-worker'

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
    case PAIRS: {
      const { playPairs } = await import('./pairs-role.js')
      await playPairs(first, second, third)
      return true
    }
    case DBOS_SUBMIT: {
      const { playDbosSubmit } = await import('./dbos-worker.js')
      await playDbosSubmit(JSON.parse(first), Number(second))
      return true
    }
    case DBOS_WORKER: {
      const { playDbosWorker } = await import('./dbos-worker.js')
      await playDbosWorker(JSON.parse(first), second)
      return true
    }
    default:
      return false
  }
}

/** Runs a role to its end, and says what it used. @throws Error when it fails */
export async function runRole(benchEntry: string, words: readonly string[]): Promise<ProcessFacts | null> {
  const child = spawn(process.execPath, [benchEntry, ...words], { stdio: ['ignore', 'inherit', 'inherit'] })
  const facts = watchFacts(child.pid ?? 0)
  const [code] = (await once(child, 'exit')) as [number | null]
  const seen = facts()
  if (code !== 0) throw new Error(`${words[0]} ended with ${code}`)
  return seen
}

/** What a role prints until its end. */
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
