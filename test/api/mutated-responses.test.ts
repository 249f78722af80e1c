import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { readAnswer } from '../../src/domain/answer.js'
import { CALL_OUTCOMES, type CallResult, ledgerOutcome } from '../../src/domain/outcome.js'
import { http } from './raw-server.js'
import { withApi } from './setup.js'

/** Right responses with a few wrong bytes, from a fixed seed, over real connections. */
const CALLS = 10_000
const AT_A_TIME = 16
const SEED = 20_261_128

type Random = (below: number) => number

/** Mulberry32. */
function seeded(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** A track id that a mutation turns into that of another call by no likely chance. */
const markOf = (call: number): string => `call-${call}-${((call * 7919) % 1_000_003) + 1_000_003}`

function ownMark(mark: string): boolean {
  const call = /^call-(\d+)-\d+$/.exec(mark)?.[1]
  return call === undefined || markOf(Number(call)) !== mark
}

const TEMPLATES: readonly ((body: string) => Buffer)[] = [
  (body) => Buffer.from(http(200, body, { 'content-type': 'application/json' })),
  (body) => Buffer.from(http(200, body, { 'x-credits-remaining': '7', connection: 'close' })),
  (body) => Buffer.from(`HTTP/1.1 200 OK\r\n\r\n${body}`),
  (body) => Buffer.from(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nlink: a\r\n\r\n${http(201, body)}`),
  (body) => {
    const half = body.length >> 1
    const chunks = [body.slice(0, half), body.slice(half), ''].map(
      (part) => `${part.length.toString(16)}\r\n${part}\r\n`,
    )
    return Buffer.from(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks.join('')}`)
  },
  (body) => {
    const packed = gzipSync(body)
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`
    return Buffer.concat([Buffer.from(head), packed])
  },
  () => Buffer.from(http(429, { error: 'Too Many Requests' }, { 'retry-after': '3' })),
  () => Buffer.from(http(503, '<html><title>Busy</title></html>')),
  () => Buffer.from(http(402, { error: 'Out of credits' })),
]
const GARBAGE = [
  '\r\n',
  '\n',
  '\0',
  ' ',
  ':',
  '9',
  '\r\n\r\n',
  'HTTP/1.1 200 OK\r\n',
  'content-length: 3\r\n',
  '\u001b[2J',
  '0\r\n\r\n',
  '{',
  '"',
]

function mutate(bytes: Buffer, random: Random): Buffer {
  const at = random(bytes.length + 1)
  const to = Math.min(bytes.length, at + random(20))
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)]
  switch (random(6)) {
    case 0:
      return Buffer.concat([before, after])
    case 1:
      return Buffer.concat([before, part, part, after])
    case 2:
      return Buffer.concat([before, Buffer.from(GARBAGE[random(GARBAGE.length)] ?? ''), part, after])
    case 3:
      return before
    case 4:
      return Buffer.concat([bytes, bytes])
    default:
      return Buffer.concat([before, Buffer.from(part.map((byte) => byte ^ (1 << random(8)))), after])
  }
}

function responseTo(call: number, random: Random): Buffer {
  const body = JSON.stringify({ tracks: [{ id: markOf(call), title: 'x' }], credits_remaining: call })
  let bytes = TEMPLATES[random(TEMPLATES.length)]?.(body) ?? Buffer.alloc(0)
  for (let left = 1 + random(3); left > 0; left -= 1) bytes = mutate(bytes, random)
  return bytes
}

/** What is wrong with a result; null: nothing. */
function faultOf(call: number, sent: Buffer, isReset: boolean, { outcome, facts }: CallResult): string | null {
  if (!CALL_OUTCOMES.includes(ledgerOutcome(outcome))) return 'not an outcome of the ledger'
  if (/^HTTP\/1\.[01] 2\d\d[ \r]/.test(sent.toString('latin1'))) {
    // A reset may take what was sent before it along.
    const isKept = outcome.kind === 'answered' || outcome.kind === 'unreadable'
    const isUnknown = outcome.kind === 'transient' && outcome.maybePaid
    if (!isKept && !(isReset && isUnknown)) return 'a paid call made free'
  }
  if (outcome.kind !== 'answered') return null
  if (Math.floor((facts.status ?? 0) / 100) !== 2) return `answered with status ${facts.status}`
  const { tracks } = JSON.parse(outcome.body.replace(/^\uFEFF/, '')) as { tracks: { id?: unknown }[] }
  if (!tracks.every(({ id }) => ownMark(String(id)) || id === markOf(call))) return 'the answer of another call'
  return readAnswer(outcome.body)?.tracks === outcome.tracks ? null : 'another number of tracks'
}

test(`of ${CALLS} mutated responses none crashes, hangs, strays or makes a paid call free`, async () => {
  const random = seeded(SEED)
  const plans = Array.from({ length: CALLS }, (_, call) => ({
    bytes: responseTo(call, random),
    isReset: random(20) === 0,
  }))
  const kinds = new Map<string, number>()
  const respond = (socket: Socket, text: string): void => {
    const { offset } = JSON.parse(text.split('\r\n\r\n')[1] ?? '{}') as { offset: number }
    const plan = plans[offset]
    if (plan === undefined) throw new Error(`no plan for call ${offset}`)
    if (plan.isReset) socket.write(plan.bytes, () => socket.resetAndDestroy())
    else socket.end(plan.bytes)
  }
  await withApi(
    respond,
    async (api, server) => {
      let next = 0
      const caller = async (): Promise<void> => {
        for (let call = next++; call < CALLS; call = next++) {
          const result = await api.search({ query: 'x', limit: 1, offset: call })
          kinds.set(result.outcome.kind, (kinds.get(result.outcome.kind) ?? 0) + 1)
          const plan = plans[call]
          const fault = plan === undefined ? null : faultOf(call, plan.bytes, plan.isReset, result)
          if (fault !== null) throw new Error(`call ${call}: ${fault}: ${JSON.stringify(result)}`)
        }
      }
      await Promise.all(Array.from({ length: AT_A_TIME }, caller))
      expect(server.requests).toHaveLength(CALLS)
    },
    { timeoutMs: 10_000 },
  )
  // Enough of each kind, or the mutations are too wild or too tame to mean anything.
  for (const kind of ['answered', 'unreadable', 'transient', 'rate_limited', 'out_of_credits']) {
    expect(kinds.get(kind) ?? 0).toBeGreaterThan(CALLS / 100)
  }
}, 180_000)
