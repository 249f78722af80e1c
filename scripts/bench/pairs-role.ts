import { join } from 'node:path'
import { readAnswer } from '../../src/domain/answer.js'
import { NOTHING_SAID, type ResponseFacts } from '../../src/domain/outcome.js'
import { openStore } from '../../src/store/open-store.js'
import { makeAnswers } from './fast-server.js'

const AT_A_TIME = [1, 10, 50] as const
const SECONDS = 1.5
const MOST_SEARCHES = 100_000

/** Claim-and-close pairs per second, with `atATime` pairs in parallel. */
export interface PairSpeed {
  readonly atATime: number
  readonly perSecond: number
}

/** The helper process: prints its `PairsSeen` as JSON. */
export async function playPairs(apiUrl: string, dataDir: string, databaseUrl: string): Promise<void> {
  const store = await openStore({
    path: join(dataDir, 'trackyard.db'),
    database: databaseUrl === '' ? undefined : { url: databaseUrl, ca: null },
  })
  const answers = makeAnswers().flatMap((body) => {
    const answer = readAnswer(body)
    return answer === null ? [] : [{ body, ...answer }]
  })
  const seen: PairSpeed[] = []
  const due = (
    await store.feed.due(MOST_SEARCHES, { high: MOST_SEARCHES, normal: MOST_SEARCHES, low: MOST_SEARCHES })
  ).map(({ ref }) => ref)
  const { refs: queued } = await store.feed.queuedRefs(Date.now() + 1, 0, MOST_SEARCHES)
  const next = [...due, ...queued].values()
  let made = 0
  /** Claims and closes one call. False: no search is left. */
  const pair = async (): Promise<boolean> => {
    const { value: ref } = next.next()
    if (ref === undefined) return false
    const answer = answers[made % answers.length]
    made += 1
    if (answer === undefined) throw new Error('expected prepared answers, found none')
    const claim = await store.calls.claim(ref, {
      now: Date.now(),
      openCallMaxAgeMs: 60_000,
      creditReserve: 0,
      apiUrl,
      token: made,
    })
    if (claim.kind !== 'granted') throw new Error(`expected a granted claim, found ${claim.kind}`)
    const now = Date.now()
    const decision = {
      do: 'succeed',
      ...answer,
      durationMs: 1,
      endedProbe: false,
      tripped: null,
      othersFail: false,
    } as const
    const key = { id: claim.callId, token: claim.token, ref }
    await store.calls.close(key, { outcome: 'answered', detail: null, facts: FACTS, now, decision }, now)
    return true
  }
  for (const atATime of AT_A_TIME) seen.push({ atATime, perSecond: await pairsPerSecond(atATime, pair) })
  await store.close()
  console.log(JSON.stringify(seen))
}

async function pairsPerSecond(atATime: number, pair: () => Promise<boolean>): Promise<number> {
  let done = 0
  const startedAt = performance.now()
  const slot = async (): Promise<void> => {
    while (performance.now() - startedAt < SECONDS * 1000 && (await pair())) done += 1
  }
  await Promise.all(Array.from({ length: atATime }, slot))
  return done / ((performance.now() - startedAt) / 1000)
}

const FACTS: ResponseFacts = { ...NOTHING_SAID, status: 200, creditsRemaining: 90_000_000 }
