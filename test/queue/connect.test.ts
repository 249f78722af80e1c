import { randomUUID } from 'node:crypto'
import dns, { type LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, jest, test } from '@jest/globals'
import { ConfigurationError, UnreachableError } from '../../src/domain/errors.js'
import { describeAddress } from '../../src/queue/redis-address.js'
import { isOutage } from '../../src/queue/redis-error.js'
import { openSearchQueue } from '../../src/queue/search-queue.js'
import { recordingLogger } from '../support/recording-logger.js'
import { DONE, eventually, jobs, openerOnRedis } from './setup.js'

const { open, redis } = openerOnRedis()

async function problemOf(url: string, patienceMs = 30_000): Promise<Error> {
  const opening = openSearchQueue({
    connection: { url },
    log: recordingLogger(),
    prefix: `{${randomUUID()}}`,
    patienceMs,
  })
  return opening.then(
    async (queue) => {
      await queue.close()
      throw new Error('it opened')
    },
    (error: Error) => error,
  )
}

/** A server that is no Redis. */
async function stranger(greet: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    greet(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.onClose(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('an unusable Redis is reported in one sentence', () => {
  test('no server', async () => {
    const problem = await problemOf('redis://:hunter2@127.0.0.1:1')
    expect(problem).toBeInstanceOf(UnreachableError)
    expect(problem.message).toBe(
      'Redis at redis://127.0.0.1:1 does not answer. Start it, or correct TRACKYARD_REDIS_URL.',
    )
  })

  test('no server behind a name with two addresses, which is tried again as well', async () => {
    const lookup = jest.spyOn(dns, 'lookup') as unknown as jest.Mock<(...args: unknown[]) => void>
    lookup.mockImplementation((_name, _options, answer) =>
      (answer as (error: null, addresses: readonly LookupAddress[]) => void)(null, [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ]),
    )
    const problem = await problemOf('redis://localhost:1')
    const tries = lookup.mock.calls.length
    lookup.mockRestore()
    expect(problem.message).toMatch(/^Redis at redis:\/\/localhost:1 does not answer/)
    expect(tries).toBe(4)
  })

  test('no socket at that path', async () => {
    expect((await problemOf('unix:///nowhere/redis.sock')).message).toMatch(
      /^Redis at unix:\/\/\/nowhere\/redis.sock does not/,
    )
  })

  test('an unknown host', async () => {
    // A label of more than 63 letters: no name server is asked, which may take its time.
    expect((await problemOf(`redis://${'x'.repeat(64)}.invalid:6379`)).message).toMatch(/host name .* is unknown/)
  })

  test('a web server', async () => {
    const url = await stranger((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
    const problem = await problemOf(url)
    expect(problem).toBeInstanceOf(UnreachableError)
    expect(problem.message).toMatch(/does not speak the Redis protocol/)
  })

  test('a server that closes the connection', async () => {
    const url = await stranger((socket) => socket.once('data', () => socket.resetAndDestroy()))
    expect((await problemOf(url)).message).toMatch(/does not speak the Redis protocol/)
  })

  test('a server that ends the connection without an answer', async () => {
    const url = await stranger((socket) => socket.once('data', () => socket.end()))
    expect((await problemOf(url)).message).toMatch(
      /(closed the connection without an answer|does not speak the Redis protocol): check host/,
    )
  })

  test('a server that never answers: within the time limit', async () => {
    const problem = await problemOf(await stranger(() => {}), 400)
    expect(problem).toMatchObject({ exitCode: 3, code: 'redis_unreachable' })
    expect(problem.message).toMatch(/no usable answer within 1 s/)
  })

  test('a missing or wrong password, which the message never contains', async () => {
    await redis().command('CONFIG', 'SET', 'requirepass', 'open sesame')
    const socket = redis().socketPath
    try {
      const missing = await problemOf(redis().url)
      expect(missing).toBeInstanceOf(UnreachableError)
      expect(missing.message).toMatch(/requires a password/)
      const wrong = await problemOf(`redis://:hunter2@127.0.0.1:${redis().port}`)
      expect(wrong.message).toMatch(/refused the user or the password/)
      expect(`${wrong.message}${JSON.stringify(wrong)}`).not.toContain('hunter2')
      const right = await open.queue({ connection: { url: `unix://:open%20sesame@${socket}` } })
      expect(await right.registry.workers()).toBe(0)
      await right.close()
    } finally {
      const { Redis } = await import('ioredis')
      const operator = new Redis({ path: socket, password: 'open sesame' })
      await operator.config('SET', 'requirepass', '')
      await operator.quit()
    }
  })

  test('a replica', async () => {
    await redis().command('REPLICAOF', '127.0.0.1', '1')
    try {
      expect((await problemOf(redis().url)).message).toMatch(/is read-only \(a replica\)/)
    } finally {
      await redis().command('REPLICAOF', 'NO', 'ONE')
    }
  })

  test('a full one', async () => {
    await redis().command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      expect((await problemOf(redis().url)).message).toMatch(/is full \(maxmemory reached\)/)
    } finally {
      await redis().command('CONFIG', 'SET', 'maxmemory', '0')
    }
  })

  test.each(['http://localhost', 'localhost:6379', '', 'redis//x'])('%p is no address', async (url) => {
    expect(await problemOf(url)).toBeInstanceOf(ConfigurationError)
  })
})

test('a later change to a replica is reported by the next command', async () => {
  const queue = await open.queue()
  await redis().command('REPLICAOF', '127.0.0.1', '1')
  try {
    await expect(queue.throttle.pause()).rejects.toThrow(UnreachableError)
    await expect(queue.searches.add(jobs([1]))).rejects.toThrow(/read-only/)
    await expect(queue.registry.claimOwnership('x')).rejects.toThrow(UnreachableError)
  } finally {
    await redis().command('REPLICAOF', 'NO', 'ONE')
  }
})

test('an outage is two log lines; commands wait, and workers continue', async () => {
  const log = recordingLogger()
  const queue = await open.queue({ log })
  let done = 0
  await open.work(queue, async () => {
    done += 1
    return DONE
  })
  await redis().kill()
  await eventually('the absence is noticed', () => log.logged('redis.disconnected').length > 0)
  const waiting = queue.searches.add(jobs([1]))
  await redis().restart()
  await waiting
  await eventually('the worker goes on', () => done === 1)
  expect(log.lines.map(({ level, facts }) => `${level}: ${facts.event}`)).toEqual([
    'warn: redis.disconnected',
    'warn: redis.reconnected',
  ])
})

test('connections that died without a word are given up, and the workers go on', async () => {
  const pipes: { from: Socket; to: Socket }[] = []
  const url = await stranger((from) => {
    const to = connect(redis().port, '127.0.0.1').on('error', () => {})
    open.onClose(async () => to.destroy())
    from.pipe(to).pipe(from)
    pipes.push({ from, to })
  })
  const log = recordingLogger()
  const queue = await open.queue({ log, connection: { url }, silenceMs: 3000 })
  let done = 0
  await open.work(queue, async () => {
    done += 1
    return DONE
  })
  for (const { from, to } of pipes) {
    from.unpipe(to).resume()
    to.unpipe(from).resume()
  }
  await queue.searches.add(jobs([1]))
  await eventually('the worker goes on', () => done === 1)
  expect(log.lines).toEqual([
    expect.objectContaining({ message: 'Redis is away' }),
    expect.objectContaining({ message: 'Redis is back' }),
  ])
})

test('who does not reconnect is told of a Redis that is lost, also in the moment of opening', async () => {
  const url = await stranger((from) => {
    const to = connect(redis().socketPath)
    to.on('error', () => {}).pipe(from)
    from.on('close', () => to.destroy())
    // The first question after the connection was tried out.
    from.on('data', (bytes) => (bytes.includes(':stop') ? from.destroy() : to.write(bytes)))
  })
  const opening = open.queue({ connection: { url }, reconnect: () => false })
  await expect(opening).rejects.toThrow(UnreachableError)
  await expect(opening).rejects.toThrow(/is gone: the connection to it was lost\. Check that it is running\./)

  const queue = await open.queue({ reconnect: () => false })
  expect(queue.isLost()).toBe(false)
  await redis().command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await expect(queue.registry.workers()).rejects.toThrow(/is gone/)
  expect(queue.isLost()).toBe(true)
})

test('a command that was sent before a loss fails too, where connections are taken and ended by somebody else', async () => {
  let isGone = false
  const url = await stranger((from) => {
    if (isGone) from.destroy()
    const to = connect(redis().socketPath)
    to.on('error', () => {}).pipe(from)
    from.on('close', () => to.destroy())
    from.on('data', (bytes) => {
      if (bytes.includes(':workers')) isGone = true
      if (isGone) from.destroy()
      else to.write(bytes)
    })
  })
  const queue = await open.queue({ connection: { url }, reconnect: (lostMs) => lostMs < 300 })
  await expect(queue.registry.workers()).rejects.toThrow(/is gone/)
  expect(queue.isLost()).toBe(true)
})

test('URL, socket URL and socket path name the same Redis; databases differ', async () => {
  const prefix = `{${randomUUID()}}`
  const byUrl = await open.queue({ prefix, connection: { url: `${redis().url}/0` } })
  const bySocketUrl = await open.queue({ prefix, connection: { url: `unix://${redis().socketPath}` } })
  const byPath = await open.queue({ prefix, connection: { socketPath: redis().socketPath } })
  const elsewhere = await open.queue({ prefix, connection: { url: `${redis().url}/3` } })
  await byUrl.registry.claimOwnership('store 1')
  expect(await bySocketUrl.registry.owner()).toBe('store 1')
  expect(await byPath.registry.owner()).toBe('store 1')
  expect(await elsewhere.registry.owner()).toBeNull()
})

test('an address is described with its user and without its password', () => {
  expect(describeAddress({ url: 'redis://anna:secret@db.example:6380/2' })).toBe(
    'Redis at redis://anna@db.example:6380/2',
  )
  expect(describeAddress({ url: 'rediss://:secret@db.example' })).toBe('Redis at rediss://db.example:6379')
  expect(describeAddress({ url: 'unix://anna:secret@/run/redis.sock?db=2' })).toBe(
    'Redis at unix://anna@/run/redis.sock',
  )
  expect(describeAddress({ socketPath: '/data/redis.sock' })).toBe('Private Redis at /data/redis.sock')
})

test('a missing database is named, and not replaced by another', async () => {
  const problem = await problemOf(`${redis().url}/99`)
  expect(problem).toBeInstanceOf(ConfigurationError)
  expect(problem.message).toMatch(/has no database 99\. Set TRACKYARD_REDIS_URL/)
  expect(await problemOf(`unix://${redis().socketPath}?db=16`)).toBeInstanceOf(ConfigurationError)
})

test('the absolute path of a socket is an address', async () => {
  const queue = await open.queue({ connection: { url: redis().socketPath } })
  expect(await queue.registry.workers()).toBe(0)
})

test('a lone user in an address is not shown: it may be a password', () => {
  expect(describeAddress({ url: 'redis://hunter2@db.example:6380' })).toBe('Redis at redis://db.example:6380')
})

test.each(['redis://:12#hunter2@localhost', 'redis://u:12/hunter2@localhost', 'redis://:hunter2%@localhost'])(
  '%s is refused without a piece of its password',
  async (url) => {
    const problem = await problemOf(url)
    expect(problem).toBeInstanceOf(ConfigurationError)
    expect(problem.message).toMatch(/percent-encoded/)
    expect(problem.message).not.toContain('hunter2')
  },
)

test.each(['EHOSTUNREACH', 'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND'])('%s during a run is an outage', (code) => {
  expect(isOutage(Object.assign(new Error(`connect ${code} 10.0.0.1:6379`), { code }))).toBe(true)
})

test('what a Redis answers is none', () => {
  expect(isOutage(new Error('READONLY You can’t write against a read only replica.'))).toBe(false)
})
