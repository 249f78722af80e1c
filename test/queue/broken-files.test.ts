import { execFileSync, spawn } from 'node:child_process'
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { silentLogger } from '../../src/domain/logger.js'
import {
  findPrivateRedis,
  lastStartFailure,
  startOrConnectPrivateRedis,
  stopPrivateRedis,
} from '../../src/queue/private-redis/private-redis.js'
import { checkSocketDirectory, makeSocketDirectory, socketPathFor } from '../../src/queue/private-redis/server-files.js'
import { smallDisk } from '../support/disk.js'
import { recordingLogger } from '../support/recording-logger.js'
import { ask } from '../support/redis.js'
import { eventually, jobs, opener, range } from './setup.js'

/** Redis is disposable: files that it cannot load are kept aside, and it starts empty. */
let dir = ''
let dataDir = ''
const open = opener()
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'broken-'))
  dataDir = join(dir, 'data')
})
afterEach(async () => {
  await open.closeAll()
  await eventually('it has ended', async () => {
    const running = await findPrivateRedis({ dataDir }).catch(() => null)
    if (running !== null) process.kill(running.pid, 'SIGKILL')
    return running === null
  })
  await rm(dir, { recursive: true, force: true, maxRetries: 3 })
})

const inRedis = (...names: readonly string[]) => join(dataDir, 'redis', ...names)
const MANIFEST = 'appendonly.aof.manifest'

/** Files as a Redis leaves them that has worked and rewritten its file: a base, and what came after it. */
async function fill(): Promise<void> {
  if (filled === '') {
    await writeFilled()
    filled = await mkdtemp(join(tmpdir(), 'filled-'))
    await cp(inRedis(), filled, { recursive: true })
  } else await cp(filled, inRedis(), { recursive: true })
}
/** A copy of them. */
let filled = ''
afterAll(() => rm(filled, { recursive: true, force: true }))

async function writeFilled(): Promise<void> {
  const { socketPath } = await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
  const queue = await open.queue({ connection: { socketPath } })
  await queue.searches.add(jobs(range(1, 50)))
  await ask(socketPath, ['BGREWRITEAOF'])
  await eventually('the base is written', async () =>
    (await readdir(inRedis('appendonlydir'))).includes('appendonly.aof.2.base.rdb'),
  )
  await eventually('the rewrite is over', async () =>
    /aof_rewrite_in_progress:0/.test(await ask(socketPath, ['INFO', 'persistence'])),
  )
  await queue.searches.add(jobs(range(51, 100)))
  await open.closeAll()
  await stopPrivateRedis({ dataDir })
}

async function part(kind: 'base' | 'incr'): Promise<string> {
  const name = (await readdir(inRedis('appendonlydir'))).find((each) => each.includes(`.${kind}.`))
  return inRedis('appendonlydir', name ?? '')
}

async function overwrite(path: string, position: number, bytes: Buffer): Promise<void> {
  const file = await openFile(path, 'r+')
  await file.write(bytes, 0, bytes.length, position)
  await file.close()
}

async function append(path: string, bytes: Buffer | string): Promise<void> {
  await writeFile(path, bytes, { flag: 'a' })
}

async function replaceByDirectory(path: string): Promise<void> {
  await rm(path, { recursive: true, maxRetries: 5 })
  await mkdir(path)
}

const BREAKS: readonly (readonly [what: string, damage: () => Promise<unknown>])[] = [
  ['NULs at the tail', async () => append(await part('incr'), Buffer.alloc(100))],
  ['garbage at the tail', async () => append(await part('incr'), 'garbage\n')],
  ['NULs in the middle', async () => overwrite(await part('incr'), 300, Buffer.alloc(64))],
  ['garbage in the middle', async () => overwrite(await part('incr'), 300, Buffer.from('GARBAGE, GARBAGE'))],
  ['an unknown command', async () => append(await part('incr'), '*1\r\n$5\r\nHELLX\r\n')],
  ['a length that crashes the server', async () => append(await part('incr'), '*3\r\n$-3\r\nSET\r\n')],
  ['a manifest of one word', () => writeFile(inRedis('appendonlydir', MANIFEST), 'nonsense')],
  ['an empty manifest', () => writeFile(inRedis('appendonlydir', MANIFEST), '')],
  ['a truncated manifest', () => truncate(inRedis('appendonlydir', MANIFEST), 20)],
  ['a manifest that leads elsewhere', () => writeFile(inRedis('appendonlydir', MANIFEST), 'file ../a seq 1 type b\n')],
  ['a base of garbage', async () => writeFile(await part('base'), 'garbage')],
  ['a truncated base', async () => truncate(await part('base'), 100)],
  ['a base of a newer version', async () => overwrite(await part('base'), 0, Buffer.from('REDIS0099'))],
  ['a base with a wrong byte', async () => overwrite(await part('base'), 150, Buffer.from([255, 255, 255]))],
  ['no base', async () => rm(await part('base'))],
  ['no file after the base', async () => rm(await part('incr'))],
  ['a directory as manifest', () => replaceByDirectory(inRedis('appendonlydir', MANIFEST))],
  ['a directory as base', async () => replaceByDirectory(await part('base'))],
  ['a link to itself', async () => execFileSync('sh', ['-c', 'rm "$0" && ln -s "$0" "$0"', await part('incr')])],
  [
    'a file as directory',
    async () => {
      await rm(inRedis('appendonlydir'), { recursive: true, maxRetries: 5 })
      await writeFile(inRedis('appendonlydir'), 'x')
    },
  ],
  [
    'the single file of an older Redis, of garbage',
    async () => {
      await rm(inRedis('appendonlydir'), { recursive: true, maxRetries: 5 })
      await writeFile(inRedis('appendonly.aof'), 'garbage\n')
    },
  ],
]

describe('a private Redis with broken files', () => {
  test.each(BREAKS)(
    'by %s: it starts empty, and the files are kept',
    async (_, damage) => {
      await fill()
      await damage()
      const log = recordingLogger()
      const { started, socketPath } = await startOrConnectPrivateRedis({ dataDir, log })
      expect(started).toBe(true)
      const told = log.lines.filter(({ level }) => level === 'warn')
      expect(told.map(({ facts }) => facts.event)).toEqual(['redis.files_moved'])
      const [kept = ''] = await keptAside()
      expect(told[0]?.message).toContain(inRedis(kept))
      expect(told[0]?.message).toMatch(/It starts empty and is filled from the store$/)
      expect((await readdir(inRedis(kept))).length).toBeGreaterThan(0)
      expect(await readFile(inRedis('redis.log'), 'utf8')).not.toContain('BUG REPORT')
      const queue = await open.queue({ connection: { socketPath }, prefix: '{new}' })
      expect(await queue.registry.claimOwnership('mine')).toBe(true)
      expect(await lastStartFailure({ dataDir })).toBeNull()
    },
    180_000,
  )

  test.each([
    ['redis.sock', 'mkdir "$0"', /redis\/redis\.sock is a directory/],
    ['redis.log', 'mkdir "$0"', /redis\/redis\.log is a directory/],
    ['redis.log', 'ln -s /nowhere/redis.log "$0"', /redis\/redis\.log is a link to nothing/],
    ['redis.log', 'mkfifo "$0"', /redis\/redis\.log is a pipe/],
    ['redis.pid', 'mkdir "$0"', /redis\/redis\.pid is a directory/],
    ['redis.pid', 'ln -s /nowhere/redis.pid "$0"', /redis\/redis\.pid is a link to nothing/],
    ['redis.pid', 'mkfifo "$0"', /redis\/redis\.pid is a pipe/],
    ['appendonly.aof', 'mkfifo "$0"', /redis\/appendonly\.aof is a pipe/],
    ['part.aof', 'mkdir appendonlydir && mkfifo appendonlydir/part.aof', /appendonlydir\/part\.aof is a pipe/],
  ])('an unusable %s is named: %s', async (name, make, sentence) => {
    await mkdir(inRedis(), { recursive: true })
    execFileSync('sh', ['-c', make, inRedis(name)], { cwd: inRedis() })
    await expect(startOrConnectPrivateRedis({ dataDir, log: silentLogger })).rejects.toThrow(sentence)
    expect(await keptAside()).toEqual([])
  })

  test('a log that is a link to another file stays one', async () => {
    await mkdir(inRedis(), { recursive: true })
    await writeFile(join(dir, 'elsewhere.log'), '')
    await symlink(join(dir, 'elsewhere.log'), inRedis('redis.log'))
    await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
    expect(await keptAside()).toEqual([])
    expect(await readFile(join(dir, 'elsewhere.log'), 'utf8')).toMatch(/Redis/)
  })

  test('the newest three of the kept files stay', async () => {
    for (let time = 0; time < 5; time += 1) {
      await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
      await stopPrivateRedis({ dataDir })
      await writeFile(inRedis('appendonlydir', MANIFEST), `nonsense ${time}`)
    }
    await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
    const kept = await keptAside()
    expect(kept).toHaveLength(3)
    expect(await readFile(inRedis(kept[2] ?? '', 'appendonlydir', MANIFEST), 'utf8')).toBe('nonsense 4')
  }, 240_000)

  test('a truncated end, which Redis repairs itself, moves nothing', async () => {
    await fill()
    await truncate(await part('incr'), 300)
    const log = recordingLogger()
    await startOrConnectPrivateRedis({ dataDir, log })
    expect(await keptAside()).toEqual([])
  })

  test('a reused pid of another process in that directory stops nothing', async () => {
    await fill()
    const other = spawn('sleep', ['60'], { cwd: inRedis(), stdio: 'ignore' })
    open.onClose(async () => void other.kill('SIGKILL'))
    await writeFile(inRedis('redis.pid'), String(other.pid))
    expect((await startOrConnectPrivateRedis({ dataDir, log: silentLogger })).started).toBe(true)
    expect(other.exitCode).toBeNull()
  })
})

describe('files that are not the cause are kept in place', () => {
  test('a disk without space is named', async () => {
    const disk = await smallDisk(dataDir, 4)
    try {
      await fill()
      await disk.fill(process.pid)
      const before = await readdir(inRedis('appendonlydir'))
      // Redis starts on a full disk; its files are broken by what was cut off, so this start has to write.
      await rm(inRedis('appendonlydir', MANIFEST))
      const starting = startOrConnectPrivateRedis({ dataDir, log: silentLogger })
      await expect(starting).rejects.toThrow(/No space left|some space/)
      expect(await readdir(inRedis('appendonlydir'))).toEqual(before.filter((name) => name !== MANIFEST))
    } finally {
      await disk.free(process.pid)
      await disk.remove()
    }
  })

  test('permissions are named, also for commands that start nothing', async () => {
    await fill()
    const command = await withoutPermissions()
    const starting = startOrConnectPrivateRedis({ dataDir, log: silentLogger, command })
    await expect(starting).rejects.toThrow(UnreachableError)
    expect(await lastStartFailure({ dataDir })).toMatch(/^The private Redis .*Permission denied.*belong to this user/s)
    expect(await keptAside()).toEqual([])
    await withPermissions()
    expect((await startOrConnectPrivateRedis({ dataDir, log: silentLogger })).started).toBe(true)
    expect(await lastStartFailure({ dataDir })).toBeNull()
  })

  test('a file in place of its directory is named', async () => {
    await mkdir(dataDir)
    await writeFile(inRedis(), 'x')
    const starting = startOrConnectPrivateRedis({ dataDir, log: silentLogger })
    await expect(starting).rejects.toThrow(/^The private Redis cannot use \S+ \(EEXIST/)
  })
})

describe('a socket that cannot be beside the files', () => {
  const uid = process.getuid?.() ?? 0
  const place = () => join(dir, 'place')
  const files = (owner = uid) => ({ socketPath: join(place(), 'x.sock'), dir: dataDir, owner })

  test('its directory is created for the user alone, and then accepted', async () => {
    await makeSocketDirectory(files())
    expect((await stat(place())).mode & 0o777).toBe(0o700)
    await makeSocketDirectory(files())
    await checkSocketDirectory(files())
  })

  const strange: readonly (readonly [what: string, make: () => Promise<unknown>])[] = [
    ['open to others', () => mkdir(place(), { mode: 0o755 })],
    ['a link to a directory of its own', async () => symlink(await mkdtemp(join(dir, 'own-')), place())],
    ['a file', () => writeFile(place(), '', { mode: 0o600 })],
    ['another user’s', () => mkdir(place(), { mode: 0o700 })],
  ]
  test.each(strange)('is refused where it is %s', async (what, make) => {
    await make()
    const owner = what === 'another user’s' ? uid + 1 : uid
    for (const look of [makeSocketDirectory, checkSocketDirectory]) {
      await expect(look(files(owner))).rejects.toThrow(UnreachableError)
      await expect(look(files(owner))).rejects.toThrow(/is not a private directory of user \d+.*shorter path/)
    }
  })

  test('its directory is fixed for each user, in any environment', () => {
    const long = `/home/${'a'.repeat(120)}`
    expect(socketPathFor(long, 1000)).toMatch(/^\/tmp\/trackyard-batch-1000\/[0-9a-f]{16}\.sock$/)
    expect(socketPathFor(long, 1001)).toMatch(/^\/tmp\/trackyard-batch-1001\//)
    expect(socketPathFor('/home/me/redis', 1000)).toBe('/home/me/redis/redis.sock')
  })
})

async function keptAside(): Promise<readonly string[]> {
  return (await readdir(inRedis())).filter((name) => name.startsWith('broken-')).sort()
}

/** A server that may not read its files: for root, who may read everything, one that runs as nobody. */
async function withoutPermissions(): Promise<string> {
  await chmod(inRedis('appendonlydir'), 0o000)
  if (process.getuid?.() !== 0) return 'redis-server'
  await chmod(dir, 0o777)
  await chmod(dataDir, 0o777)
  await chmod(inRedis(), 0o777)
  await rm(inRedis('redis.log'))
  const command = join(dir, 'as-nobody')
  await writeFile(command, '#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups redis-server "$@"\n', { mode: 0o755 })
  return command
}

async function withPermissions(): Promise<void> {
  await chmod(inRedis('appendonlydir'), 0o700)
}
