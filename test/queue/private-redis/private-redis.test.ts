import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { UnreachableError } from '../../../src/domain/errors.js'
import { silentLogger } from '../../../src/domain/logger.js'
import {
  findPrivateRedis,
  keepPrivateRedis,
  type PrivateRedis,
  startOrConnectPrivateRedis,
  stopPrivateRedis,
} from '../../../src/queue/private-redis/private-redis.js'
import { installCommand, startServer } from '../../../src/queue/private-redis/redis-server.js'
import { stateOf } from '../../../src/queue/private-redis/redis-socket.js'
import { isProcessAlive, serverFiles } from '../../../src/queue/private-redis/server-files.js'
import { recordingLogger } from '../../support/recording-logger.js'
import { eventually, opener } from '../setup.js'

let dir = ''
let dataDir = ''
const log = silentLogger
const open = opener()
beforeEach(async () => {
  // As people name theirs: with a space, and with letters of more than one byte, which the server's answers repeat.
  dir = await mkdtemp(join(tmpdir(), 'däta '))
  dataDir = join(dir, 'trackyard')
})
afterEach(async () => {
  await open.closeAll()
  const socketPath = join(dataDir, 'redis', 'redis.sock')
  await eventually('it has ended', async () => {
    const now = await stateOf(socketPath)
    if (now.state === 'up' && now.pid > 0) process.kill(now.pid, 'SIGKILL')
    return now.state === 'absent'
  })
  await rm(dir, { recursive: true, force: true, maxRetries: 3 })
})

/** The one that runs. One look gives it two seconds to answer, which a busy machine may take. */
async function found(of = dataDir): Promise<PrivateRedis | null> {
  let running: PrivateRedis | null = null
  await eventually('one is found', async () => {
    running = await findPrivateRedis({ dataDir: of })
    return running !== null
  })
  return running
}

describe('start or connect', () => {
  test('starts one; asked again, connects to it; told to stop, it ends with its data on disk', async () => {
    const first = await startOrConnectPrivateRedis({ dataDir, log })
    expect(first.started).toBe(true)
    const queue = await open.queue({ connection: first })
    await queue.registry.claimOwnership('mine')
    expect(await queue.registry.warnings()).toEqual([])
    expect(await startOrConnectPrivateRedis({ dataDir, log })).toEqual({ ...first, started: false })
    expect(await found()).toEqual({ socketPath: first.socketPath, pid: first.pid })
    await open.closeAll()
    expect(await stopPrivateRedis({ dataDir })).toBe(true)
    expect(await stopPrivateRedis({ dataDir })).toBe(false)
    expect(await findPrivateRedis({ dataDir })).toBeNull()
    const again = await startOrConnectPrivateRedis({ dataDir, log })
    expect(again.started).toBe(true)
    expect(await (await open.queue({ connection: again, prefix: queue.prefix })).registry.owner()).toBe('mine')
  })

  test('ten at once in one process: exactly one server', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => startOrConnectPrivateRedis({ dataDir, log })))
    expect(all.filter(({ started }) => started)).toHaveLength(1)
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(1)
  })

  test('three processes at once: exactly one server, which outlives them and a Ctrl-C', async () => {
    const processes = [1, 2, 3].map(() => starter())
    const replies = await Promise.all(processes.map(replyOf))
    expect(replies.filter(({ started }) => started)).toHaveLength(1)
    expect(new Set(replies.map(({ pid }) => pid)).size).toBe(1)
    // Ctrl-C goes to the process group; the server is in a session and group of its own.
    for (const child of processes) process.kill(-Number(child.pid), 'SIGINT')
    await Promise.all(processes.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')))
    expect(await found()).toMatchObject({ pid: replies[0]?.pid })
  })

  test('a starter that was killed blocks nobody', async () => {
    await mkdir(join(dataDir, 'redis'), { recursive: true })
    const child = starter()
    const { pid } = await replyOf(child)
    process.kill(pid, 'SIGKILL')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect((await startOrConnectPrivateRedis({ dataDir, log })).started).toBe(true)
  })

  test('a stale pid file with a reused pid stops nothing', async () => {
    const first = await startOrConnectPrivateRedis({ dataDir, log })
    process.kill(first.pid, 'SIGKILL')
    await eventually('it has ended', async () => (await findPrivateRedis({ dataDir })) === null)
    await writeFile(join(dataDir, 'redis', 'redis.pid'), String(process.pid))
    expect((await startOrConnectPrivateRedis({ dataDir, log })).started).toBe(true)
  })

  test('no second server starts while one without its socket is alive, and nobody takes it for stopped', async () => {
    const first = await startOrConnectPrivateRedis({ dataDir, log })
    await rm(first.socketPath)
    for (const use of [startOrConnectPrivateRedis, findPrivateRedis, stopPrivateRedis])
      await expect(use({ dataDir, log })).rejects.toThrow(`pid ${first.pid}`)
    process.kill(first.pid, 'SIGKILL')
  })

  test('a frozen server is neither replaced nor waited for forever', async () => {
    const first = await startOrConnectPrivateRedis({ dataDir, log })
    process.kill(first.pid, 'SIGSTOP')
    try {
      await expect(startOrConnectPrivateRedis({ dataDir, log })).rejects.toThrow(/is silent/)
    } finally {
      process.kill(first.pid, 'SIGCONT')
    }
  })

  test('it is stopped although the process that started it is frozen and leaves a zombie', async () => {
    const child = starter()
    const { pid } = await replyOf(child)
    child.kill('SIGSTOP')
    expect(await stopPrivateRedis({ dataDir })).toBe(true)
    expect(isProcessAlive(pid)).toBe(false)
    // The pid is still taken.
    process.kill(pid, 0)
  })

  test('a data directory with a long path has its socket at a fixed place', async () => {
    const long = join(dir, 'a'.repeat(120))
    const first = await startOrConnectPrivateRedis({ dataDir: long, log })
    expect(Buffer.byteLength(first.socketPath)).toBeLessThanOrEqual(100)
    expect((await stat(dirname(first.socketPath))).mode & 0o077).toBe(0)
    expect(await found(long)).toMatchObject({ pid: first.pid })
    expect(await stopPrivateRedis({ dataDir: long })).toBe(true)
  })

  test('only its user can read the files or open the socket', async () => {
    const { socketPath } = await startOrConnectPrivateRedis({ dataDir, log })
    for (const file of [socketPath, join(dataDir, 'redis'), join(dataDir, 'redis', 'redis.log')]) {
      expect((await stat(file)).mode & 0o077).toBe(0)
    }
  })

  test('without a redis-server the error names the install command', async () => {
    const starting = startOrConnectPrivateRedis({ dataDir, log, command: 'no-such-redis-server' })
    await expect(starting).rejects.toThrow(UnreachableError)
    await expect(starting).rejects.toThrow(/^redis-server is not installed\. .*TRACKYARD_REDIS_URL/)
  })

  test('a process that the system does not create is not a missing redis-server', async () => {
    // Its directory is missing, which fails as a full process table does.
    const starting = startServer(serverFiles(join(dir, 'nowhere')), 'redis-server', log)
    await expect(starting).rejects.toThrow(UnreachableError)
    await expect(starting).rejects.toThrow(/^The private Redis did not start: the system .*ENOENT.* try again\.$/)
  })
})

describe('keeping it alive', () => {
  test('a killed server is restarted with its data, and open queues reconnect', async () => {
    const first = await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
    const queue = await open.queue({ connection: first })
    await queue.registry.claimOwnership('mine')
    // everysec: what was written is on disk a second later at most; here it is asked for.
    await eventually('it is on disk', async () => {
      const files = await readFile(join(dataDir, 'redis', 'appendonlydir', 'appendonly.aof.1.incr.aof'), 'utf8')
      return files.includes('mine')
    })
    const log = recordingLogger()
    const keeper = await keepPrivateRedis({ dataDir, log, everyMs: 20 })
    open.onClose(() => keeper.stop())
    process.kill(first.pid, 'SIGKILL')
    await eventually('another one runs', async () => {
      const now = await findPrivateRedis({ dataDir })
      return now !== null && now.pid !== first.pid
    })
    expect(await queue.registry.owner()).toBe('mine')
    await eventually('it is told', () => log.logged('redis.restarted').length > 0)
  })

  test('when the data directory is deleted, the old server ends and a new one serves', async () => {
    const first = await startOrConnectPrivateRedis({ dataDir, log })
    open.onClose(async () => {
      if (isProcessAlive(first.pid)) process.kill(first.pid, 'SIGKILL')
    })
    const keeper = await keepPrivateRedis({ dataDir, log, everyMs: 20 })
    open.onClose(() => keeper.stop())
    // At once: the keeper must not begin a new server in the midst of it.
    rmSync(dataDir, { recursive: true, maxRetries: 5 })
    let second: number | undefined
    await eventually('another one runs', async () => {
      second = (await findPrivateRedis({ dataDir }))?.pid
      return second !== undefined && second !== first.pid
    })
    await eventually('the old one has ended', () => !isProcessAlive(first.pid))
    await keeper.stop()
    expect(await startOrConnectPrivateRedis({ dataDir, log })).toMatchObject({ started: false, pid: second })
  })

  test('when the data directory is moved, open queues come to the new server at its path', async () => {
    const first = await startOrConnectPrivateRedis({ dataDir, log })
    const queue = await open.queue({ connection: first })
    await queue.registry.claimOwnership('mine')
    const keeper = await keepPrivateRedis({ dataDir, log, everyMs: 20 })
    open.onClose(() => keeper.stop())
    await rename(dataDir, `${dataDir} moved`)
    await eventually('they are there', async () => (await queue.registry.owner()) === null)
    await eventually('the old one has ended', () => !isProcessAlive(first.pid))
  })

  test('after stop, a server that exits is not restarted', async () => {
    const keeper = await keepPrivateRedis({ dataDir, log, everyMs: 10 })
    await eventually('it is started', async () => (await findPrivateRedis({ dataDir })) !== null)
    await keeper.stop()
    await stopPrivateRedis({ dataDir })
    expect(await findPrivateRedis({ dataDir })).toBeNull()
  })
})

test.each([
  ['darwin', 'brew install redis'],
  ['ID=debian\n', 'sudo apt-get install -y redis-server'],
  ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', 'sudo apt-get install -y redis-server'],
  ['ID=fedora\n', 'sudo dnf install -y redis'],
  ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'sudo dnf install -y redis'],
  ['ID=alpine\n', 'sudo apk add redis'],
  ['', 'package manager'],
])('the command to install it: %j', (system, command) => {
  expect(installCommand(system)).toContain(command)
})

/** What another process runs: the built program, as the system tests do. */
const BUILT = join(import.meta.dirname, '../../../dist/src/queue/private-redis/private-redis.js')
const STARTER = `
const { startOrConnectPrivateRedis } = await import(process.argv[1])
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
console.log(JSON.stringify(await startOrConnectPrivateRedis({ dataDir: process.argv[2], log: quiet })))
setInterval(() => {}, 1000)
`

/** A process in a group of its own that starts or connects, says what it got, and stays. */
function starter(): ChildProcess {
  if (!existsSync(BUILT)) throw new Error('this test starts the built program: `npm run build` first')
  const child = spawn(process.execPath, ['--input-type=module', '-e', STARTER, BUILT, dataDir], {
    env: {},
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  open.onClose(async () => {
    child.kill('SIGKILL')
  })
  return child
}

async function replyOf(child: ChildProcess): Promise<{ pid: number; started: boolean }> {
  if (child.stdout === null) throw new Error('the starter has no output')
  const [line] = (await once(child.stdout, 'data', { signal: AbortSignal.timeout(50_000) })) as [Buffer]
  return JSON.parse(line.toString())
}
