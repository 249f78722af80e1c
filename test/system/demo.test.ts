import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'

const DEMO = fileURLToPath(new URL('../../dist/scripts/demo.js', import.meta.url))

test('the demo goes by no setting of who runs it, and ends with 1 and the reason when its worker does not start', async () => {
  const demo = spawn(process.execPath, [DEMO], {
    cwd: tmpdir(),
    env: {
      // No redis-server there: a private Redis is asked for, and cannot be started.
      PATH: '/nowhere',
      TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1',
      TRACKYARD_API_KEY_FILE: '/nowhere',
      TRACKYARD_CONCURENCY: '3',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [said, [code]] = await Promise.all([text(demo.stderr), once(demo, 'exit')])
  expect(said).toMatch(/redis-server[\s\S]*The worker ended with exit code 78\./)
  expect(said).not.toMatch(/TRACKYARD_API_KEY_FILE|CONCURENCY|127\.0\.0\.1:1\b/)
  expect(code).toBe(1)
}, 240_000)
