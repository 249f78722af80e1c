/** The shell lines of docker-compose.yml, run for real: the password goes from the secret to Redis and to nobody else. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'

const compose = readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8')
const PASSWORD = '7c1f0e9d5a'

let dir: string
let socket: string
let redis: ChildProcess | null
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'trackyard-compose-'))
  socket = join(dir, 'redis.sock')
  redis = null
  writeFileSync(join(dir, 'redis_password'), `${PASSWORD}\n`)
})
afterEach(async () => {
  if (redis !== null && redis.exitCode === null) {
    redis.kill('SIGKILL')
    await once(redis, 'exit')
  }
  rmSync(dir, { recursive: true, force: true })
})

function program(name: string, script: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(dir, name), 0o755)
}

/** What the shell in a container gets: `$$` is how compose writes `$`. The secret lies in the test's folder. */
function shellText(yaml: string | undefined): string {
  if (yaml === undefined) throw new Error('docker-compose.yml has no such shell line any more')
  return yaml.replaceAll('$$', '$').replaceAll('/run/secrets', dir)
}
/** The text under the first `- |` (as it is) or `- >-` (folded into one line) after a mark, without its indentation. */
function block(mark: RegExp): string {
  const found = compose.match(new RegExp(`${mark.source}[\\s\\S]*?- (\\||>-)\\n((?: {6,}(?![ -]).*\\n)+)`, 'm'))
  const lines = found?.[2]?.split('\n').map((line) => line.trim())
  return shellText(lines?.join(found?.[1] === '|' ? '\n' : ' '))
}
const env = (): Record<string, string> => ({ PATH: `${dir}:${process.env.PATH}` })
const redisCli = execFileSync('sh', ['-c', 'command -v redis-cli'], { encoding: 'utf8' }).trim()

async function startRedis(): Promise<{ readonly output: () => string }> {
  program('docker-entrypoint.sh', 'exec "$@"')
  const options = ['--port', '0', '--unixsocket', socket, '--dir', dir, '--appendonly', 'yes']
  const child = spawn('/bin/sh', ['-c', block(/^ {2}redis:$/), 'redis', ...options], {
    env: env(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  redis = child
  let output = ''
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        output += data.toString()
        if (output.includes('ready to accept connections')) resolve()
      })
  })
  return { output: () => output }
}
function isHealthy(): boolean {
  program('redis-cli', `exec ${redisCli} -s ${socket} "$@"`)
  const check = shellText(compose.match(/CMD-SHELL", '(.*)'\]/)?.[1])
  return spawnSync('/bin/sh', ['-c', check], { env: env(), timeout: 20_000 }).status === 0
}

test('Redis asks for the password of the secret and is healthy only with it', async () => {
  const { output } = await startRedis()
  const keyless = execFileSync(redisCli, ['-s', socket, 'get', 'a'], { encoding: 'utf8' })
  expect(keyless).toMatch(/NOAUTH/)
  expect(isHealthy()).toBe(true)
  writeFileSync(join(dir, 'redis_password'), 'another\n')
  expect(isHealthy()).toBe(false)
  expect(execFileSync('ps', ['-o', 'args=', '-p', String(redis?.pid)], { encoding: 'utf8' })).not.toContain(PASSWORD)
  expect(output()).not.toContain(PASSWORD)
})

test.each(['empty', 'missing'])('Redis does not start where the password file is %s', async (state) => {
  const file = join(dir, 'redis_password')
  if (state === 'empty') writeFileSync(file, '')
  else rmSync(file)
  const { output } = await startRedis()
  expect(redis?.exitCode).toBe(1)
  expect(output()).not.toContain('ready to accept connections')
})

test.each([
  ['every command', /^ {2}entrypoint:$/],
  ['the health check of the worker', /^ {2}worker:$/],
])('%s gets the address of Redis with the password, and its own arguments', (_, mark) => {
  program('node', 'printf "%s\\n" "$TRACKYARD_REDIS_URL" "$@"')
  const args = ['submit', '/catalogs/my catalog.csv', '--query', '{title} "$HOME" music']
  const said = execFileSync('/bin/sh', ['-c', block(mark), 'trackyard-batch', ...args], {
    env: env(),
    encoding: 'utf8',
  })
  expect(said.trim().split('\n')).toEqual([
    `redis://:${PASSWORD}@redis:6379`,
    'dist/scripts/trackyard-batch.js',
    ...args,
  ])
})
