import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { RedisAddress } from '../../src/queue/redis-address.js'
import { openSearchQueue } from '../../src/queue/search-queue.js'
import { authority, selfSigned } from '../api/certificate.js'
import { recordingLogger } from '../support/recording-logger.js'
import { startRedis, type TestRedis, type TlsFiles } from '../support/redis.js'
import { startCluster, startSentinels } from '../support/redis-groups.js'
import { DONE, eventually, jobs, LOCKS, numberOf, opener, range } from './setup.js'

const open = opener()
const prefix = '{trackyard}'
const ours = authority()
let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'certificates-'))
})
afterEach(() => open.closeAll())
afterAll(() => rm(dir, { recursive: true, force: true }))

async function tlsFiles(title: string, made: { readonly cert: string; readonly key: string }): Promise<TlsFiles> {
  // Redis takes a space for the end of a value.
  const name = title.replaceAll(' ', '-')
  const files = { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`), ca: join(dir, `${name}.ca`) }
  await Promise.all([writeFile(files.cert, made.cert), writeFile(files.key, made.key), writeFile(files.ca, ours.cert)])
  return files
}

async function problemOf(connection: RedisAddress): Promise<string> {
  const opening = openSearchQueue({ connection, log: recordingLogger(), patienceMs: 10_000 })
  return opening.then(
    async (queue) => {
      await queue.close()
      throw new Error('it opened')
    },
    (error: Error) => error.message,
  )
}

/** All kinds of commands, by a worker too. */
async function expectWork(connection: RedisAddress): Promise<void> {
  const queue = await open.queue({ connection, prefix })
  expect(await queue.registry.claimOwnership('3f8c1ab2-1111-4222-8333-444455556666')).toBe(true)
  expect(await queue.registry.damage()).toEqual([])
  expect(await queue.registry.lease('feed', 1000)).toBe(true)
  await queue.throttle.setRate(60_000)
  await queue.searches.add(jobs(range(1, 20)))
  const done = new Set<number>()
  await open.work(queue, async ({ ref }) => {
    done.add(numberOf(ref))
    return DONE
  })
  await queue.deadLetters.work({ ...LOCKS, retry: async () => {} })
  await eventually('all are done', () => done.size === 20)
  await queue.throttle.rateLimit(Date.now() + 60_000)
  expect(await queue.throttle.liftRateLimit()).toBe(true)
  await queue.searches.dropUnreadable('everywhere')
  await queue.registry.clear('restore', 1000)
  expect(await queue.registry.owner()).toBeNull()
  await open.closeAll()
}

describe('TLS, with an authority of our own, to an IP address', () => {
  test.each([
    ['one server', async (tls: TlsFiles) => startRedis({}, tls)],
    ['a cluster', async (tls: TlsFiles) => startCluster(tls)],
    ['sentinels', async (tls: TlsFiles) => startSentinels(tls)],
  ])('%s', async (name, start) => {
    const server = await start(await tlsFiles(name, ours.signed({ host: '127.0.0.1' })))
    try {
      await expectWork({ url: server.url, ca: ours.cert })
      expect(await problemOf({ url: server.url })).toMatch(/Set TRACKYARD_REDIS_CA_FILE to the certificate of its CA/)
    } finally {
      await open.closeAll()
      await server.stop()
    }
  })

  test.each([
    [
      'signed by itself',
      () => selfSigned({ host: '127.0.0.1' }),
      /is signed by an authority that this machine does not trust/,
    ],
    ['for another name', () => ours.signed({ host: 'redis.example' }), /is for another name/],
    ['out of date', () => ours.signed({ host: '127.0.0.1', fromDay: -9, toDay: -2 }), /is not valid today/],
  ])('a certificate that is %s is named', async (name, make, expected) => {
    const server = await startRedis({}, await tlsFiles(name, make()))
    try {
      expect(await problemOf({ url: server.url, ca: ours.cert })).toMatch(expected)
    } finally {
      await server.stop()
    }
  })
})

describe('a user with few permissions', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  async function user(...rules: readonly string[]): Promise<RedisAddress> {
    await redis.command('ACL', 'SETUSER', 'anna', 'reset', 'on', '>secret', '~{trackyard}:*', ...rules)
    return { url: redis.url.replace('//', '//anna:secret@') }
  }

  test('nothing dangerous but INFO, and our keys alone, is enough', async () => {
    await expectWork(await user('+@all', '-@admin', '-@dangerous', '+info'))
  })

  test('without INFO a worker says what it lacks', async () => {
    const printed = jest.spyOn(console, 'warn').mockImplementation(() => {})
    try {
      const queue = await open.queue({ connection: await user('+@all', '-@admin', '-@dangerous'), prefix })
      await expect(open.work(queue, async () => DONE)).rejects.toThrow(/lacks permissions\. .*INFO/)
    } finally {
      printed.mockRestore()
    }
  })

  test('without our keys the sentence says which they are', async () => {
    const address = await user('+@all', '-@admin', '-@dangerous', '+info')
    const opening = openSearchQueue({ connection: address, log: recordingLogger(), prefix: '{other}' })
    await expect(opening).rejects.toThrow(/lacks permissions\. .*\{trackyard\}/)
  })
})
