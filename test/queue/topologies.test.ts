import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { startDelay } from '../../scripts/bench/delay.js'
import { openSearchQueue } from '../../src/queue/search-queue.js'
import { recordingLogger } from '../support/recording-logger.js'
import { startRedis } from '../support/redis.js'
import { type RedisGroup, startCluster, startSentinels } from '../support/redis-groups.js'
import { DONE, eventually, jobs, LOCKS, numberOf, opener, range } from './setup.js'

const open = opener()
/** All our keys must be where `owner` is. */
const prefix = '{trackyard}'

async function problemOf(url: string, patienceMs = 10_000): Promise<string> {
  const opening = openSearchQueue({ connection: { url }, log: recordingLogger(), patienceMs })
  return opening.then(
    async (queue) => {
      await queue.close()
      throw new Error('it opened')
    },
    (error: Error) => error.message,
  )
}

describe.each([
  ['a cluster', startCluster],
  ['a Sentinel group', startSentinels],
])('%s', (_name, start) => {
  let group: RedisGroup
  beforeEach(async () => {
    group = await start()
  })
  afterEach(async () => {
    await open.closeAll()
    await group.stop()
  })

  test('does all that a single server does', async () => {
    const queue = await open.queue({ connection: { url: group.url }, prefix })
    const { searches, deadLetters, throttle, registry } = queue
    expect(await registry.claimOwnership('3f8c1ab2-1111-4222-8333-444455556666')).toBe(true)
    expect(await registry.queueId()).not.toBeNull()
    expect(await registry.lease('feed', 1000)).toBe(true)
    await registry.heartbeat({ id: 'one', writeFailure: null })
    expect(await registry.workers()).toBe(1)
    expect(await registry.warnings()).toEqual([])
    await throttle.setRate(60_000)
    await throttle.pause()
    expect(await throttle.isPaused()).toBe(true)
    await throttle.resume()
    await throttle.rateLimit(Date.now() + 60_000)
    expect(await throttle.liftRateLimit()).toBe(true)
    await searches.add(jobs(range(1, 30)))
    await searches.add(jobs([30], 'high'))
    expect((await searches.present(jobs([1, 31]).map(({ ref }) => ref))).size).toBe(1)
    const done: number[] = []
    await open.work(queue, async ({ ref }) => {
      done.push(numberOf(ref))
      return DONE
    })
    await eventually('all are done', () => new Set(done).size === 30)
    expect(done).toHaveLength(30)
    await deadLetters.work({ ...LOCKS, retry: async () => {} })
    await searches.dropUnreadable('everywhere')
    expect(await registry.damage()).toEqual([])
    await registry.clear('restore', 1000)
    expect(await registry.owner()).toBeNull()
    expect((await searches.counts()).waiting).toBe(0)
  })

  test('the loss of the server with our keys: every job is done, and the log has two lines', async () => {
    const log = recordingLogger()
    const queue = await open.queue({ connection: { url: group.url }, prefix, log })
    await queue.searches.add(jobs(range(1, 200)))
    const done = new Set<number>()
    const worker = (): Promise<unknown> =>
      open.work(
        queue,
        async ({ ref }) => {
          done.add(numberOf(ref))
          return DONE
        },
        { concurrency: 5, lockDurationMs: 3000 },
      )
    await queue.throttle.setRate(1200)
    await Promise.all([worker(), worker()])
    await eventually('it is under way', () => done.size > 20)
    await group.owner.kill()
    await eventually('all are done', () => done.size === 200)
    await eventually('the log has its end', () => log.logged('redis.reconnected').length > 0)
    expect(log.logged('redis.disconnected')).toHaveLength(1)
    expect(log.logged('redis.reconnected')).toHaveLength(1)
    // A job that ended in the moment of the loss has no lock on the new server: it runs again, and the store knows its end.
    const others = log.logged('bullmq.error').filter(({ facts }) => !/^Missing lock/.test(String(facts.problem)))
    expect(others).toEqual([])
  })

  test('an idle worker outlives a failover, and stops at once', async () => {
    const queue = await open.queue({ connection: { url: group.url }, prefix })
    const done = new Set<number>()
    const worker = await open.work(queue, async ({ ref }) => {
      done.add(numberOf(ref))
      return DONE
    })
    await queue.searches.add(jobs([1]))
    await eventually('the first is done', () => done.has(1))
    const log = recordingLogger()
    const witness = await open.queue({ connection: { url: group.url }, prefix, log })
    await group.owner.kill()
    // As long as BullMQ waits for a read that does not end.
    // Sentinels that a busy machine delays by seconds do nothing for half a minute each time.
    await eventually('the failover', () => log.logged('redis.reconnected').length > 0, 240_000)
    await sleep(5000)
    await witness.searches.add(jobs([2]))
    await eventually('the second is done', () => done.has(2))
    const stoppedAt = performance.now()
    expect(await worker.stop(30_000)).toEqual({ unfinished: 0 })
    expect(performance.now() - stoppedAt).toBeLessThan(15_000)
  }, 360_000)
})

test('connections that are looking for the primary when sentinels name the new one find it', async () => {
  const group = await startSentinels()
  open.onClose(() => group.stop())
  // Each look takes most of a second, so the message about the new primary comes in the middle of some.
  const proxy = await startDelay(Number(/:(\d+)/.exec(group.url.replace(/^\S+?:\/\//, ''))?.[1]), 125)
  open.onClose(() => proxy.close())
  const log = recordingLogger()
  const url = `redis+sentinel://127.0.0.1:${proxy.port}/mymaster`
  await Promise.all(range(1, 20).map(() => open.queue({ connection: { url }, prefix, log })))
  await group.owner.kill()
  await eventually('all are back', () => log.logged('redis.reconnected').length >= 20, 240_000)
  await open.closeAll()
}, 360_000)

describe('an address that does not fit', () => {
  test('a node of a cluster as a single server, and the other way round', async () => {
    const [cluster, single] = await Promise.all([startCluster(), startRedis()])
    open.onClose(() => Promise.all([cluster.stop(), single.stop()]))
    const other = cluster.nodes[0]
    expect(await problemOf(other?.url ?? '')).toMatch(/is a node of a Redis Cluster\. Use redis\+cluster:\/\//)
    expect(await problemOf(single.url.replace('redis:', 'redis+cluster:'))).toMatch(/is not a cluster\. Use redis:\/\//)
    await open.closeAll()
  })

  test('nodes that give addresses which do not lead here are found through the map', async () => {
    const node = await startRedis({ 'cluster-enabled': 'yes', 'cluster-announce-ip': '192.0.2.1' })
    open.onClose(() => node.stop())
    await node.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await eventually('it is up', async () => /cluster_state:ok/.test(await node.command('CLUSTER', 'INFO')))
    const url = node.url.replace('redis:', 'redis+cluster:')
    expect(await problemOf(url, 2000)).toMatch(/cannot reach, set TRACKYARD_REDIS_NAT_MAP/)
    const natMap = { [`192.0.2.1:${node.port}`]: { host: '127.0.0.1', port: node.port } }
    const queue = await open.queue({ connection: { url, natMap }, prefix })
    expect(await queue.registry.workers()).toBe(0)
    await open.closeAll()
  })

  test('no cluster, no sentinel, no primary of that name', async () => {
    expect(await problemOf('redis+cluster://127.0.0.1:1,127.0.0.1:2')).toMatch(/does not answer\. Start it/)
    expect(await problemOf('redis+sentinel://127.0.0.1:1,127.0.0.1:2/mymaster')).toMatch(
      /^No sentinel of Redis at redis\+sentinel/,
    )
    const group = await startSentinels(null, 'sesame')
    expect(await problemOf(group.url)).toMatch(/^The sentinels of .* refuse this login\. Add \?sentinel_password=/)
    const url = `${group.url}?sentinel_password=sesame`
    await open.queue({ connection: { url } })
    open.onClose(() => group.stop())
    expect(await problemOf(url.replace('mymaster', 'other'))).toMatch(
      /^No sentinel of .*\/other answers with a primary/,
    )
    await open.closeAll()
  })
})
