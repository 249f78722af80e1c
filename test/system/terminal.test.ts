import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect } from '@jest/globals'
import { expectAccounted, readLedger, untilDone } from '../support/ledger.js'
import { PATIENT } from '../support/short-settings.js'
import { catalogText, QUERY, type SystemUnderTest, systemTest } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** A terminal that is closed while something runs in it: `script` opens a real one, and it closes when `script` dies. */
const terminals: ChildProcess[] = []
afterAll(() => {
  for (const terminal of terminals) terminal.kill('SIGKILL')
})

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface Terminal {
  shows(pattern: RegExp): Promise<void>
  close(): void
  readonly pid: number
}

async function openTerminal(system: SystemUnderTest, entry: string, ...args: readonly string[]): Promise<Terminal> {
  const words = [process.execPath, join(ROOT, entry), ...args].map((word) => `'${word}'`).join(' ')
  const terminal = spawn('script', ['-qefc', `echo "pid $$."; exec ${words}`, '/dev/null'], {
    cwd: system.dir,
    env: { ...system.env, ...PATIENT, TRACKYARD_BOARD_PORT: '0', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  terminals.push(terminal)
  let text = ''
  terminal.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  const shows = (pattern: RegExp) =>
    until(() => pattern.test(text), { timeoutMs: 120_000, what: () => `${String(pattern)} in:\n${text}` })
  await shows(/pid \d+\./)
  return { shows, close: () => void terminal.kill('SIGKILL'), pid: Number(/pid (\d+)\./.exec(text)?.[1]) }
}

async function untilGone(pid: number): Promise<void> {
  const isGone = (): boolean => {
    try {
      return !process.kill(pid, 0)
    } catch {
      return true
    }
  }
  await until(isGone, { timeoutMs: 120_000, what: `the end of process ${pid}` })
}

systemTest(
  'a terminal that is closed on up, on a worker or on the worker of a unit with calls in flight: each is paid once',
  { simulator: { noMatchRate: 0, latencyMs: 1500 }, env: PATIENT },
  async (system) => {
    await system.submit(70)
    let made = 0
    for (const [entry, ...args] of [
      ['dist/scripts/trackyard-batch.js', 'up'],
      ['dist/scripts/trackyard-batch.js', 'worker'],
      ['dist/workers/worker.js'],
    ] as const) {
      const terminal = await openTerminal(system, entry, ...args)
      await system.simulator.waitForCalls(made + 12, 120_000)
      terminal.close()
      await untilGone(terminal.pid)
      made = system.simulator.calls().length
      expect(made).toBeLessThan(70)
      expect(readLedger(system)).toMatchObject({ calls: { answered: made }, failures: 0 })
    }
    await system.startWorker()
    await untilDone(system)
    await expectAccounted(system, { rows: 70, unknown: 0 })
    expect(system.simulator.calls()).toHaveLength(70)
  },
)

systemTest(
  'a terminal that is closed while submit asks: the batch is dropped',
  { env: { TRACKYARD_CONFIRM_ABOVE: '1' } },
  async (system) => {
    const file = await system.file('films.csv', catalogText(5))
    const terminal = await openTerminal(system, 'dist/scripts/trackyard-batch.js', 'submit', file, '--query', QUERY)
    await terminal.shows(/\[y\/N\]/)
    terminal.close()
    await untilGone(terminal.pid)
    expect((await system.status()).batches).toEqual([])
  },
)

systemTest('status --watch ends when nobody reads it any more', {}, async (system) => {
  const watch = system.start('dist/scripts/trackyard-batch.js', ['status', '--watch'])
  if (watch.child.stdout === null) throw new Error('no stdout')
  await once(watch.child.stdout, 'data')
  watch.child.stdout.destroy()
  expect(await watch.exited).toMatchObject({ code: 0, signal: null })
})
