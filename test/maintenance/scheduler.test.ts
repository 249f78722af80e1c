import { afterEach, describe, expect, test } from '@jest/globals'
import { ConfigurationError, type ReportedError } from '../../src/domain/errors.js'
import { type MaintenanceTask, type Scheduler, startScheduler } from '../../src/maintenance/scheduler.js'
import { type RecordingLogger, recordingLogger } from '../support/recording-logger.js'
import { until } from '../support/until.js'

let running: Scheduler | null = null
afterEach(async () => {
  await running?.stop()
  running = null
})

const HOUR = 3_600_000
const enough = { timeoutMs: 120_000, everyMs: 1 }

function start(task: Partial<MaintenanceTask>, log: RecordingLogger = recordingLogger(), fatal: ReportedError[] = []) {
  running = startScheduler([{ name: 'it', everyMs: 1, run: async () => {}, ...task }], log, (error) =>
    fatal.push(error),
  )
  return running
}

describe('a maintenance task', () => {
  test('runs at once and then at its interval, never twice at a time', async () => {
    let runs = 0
    let atOnce = 0
    let most = 0
    start({
      run: async () => {
        runs += 1
        atOnce += 1
        most = Math.max(most, atOnce)
        await new Promise((resolve) => setImmediate(resolve))
        atOnce -= 1
      },
    })
    await until(() => runs > 20, { ...enough, what: 'twenty runs' })
    expect(most).toBe(1)
  })

  test('with `restsFirst` does not run at once', async () => {
    let runs = 0
    const run = async () => {
      runs += 1
    }
    await start({ restsFirst: true, everyMs: HOUR, run }).stop()
    expect(runs).toBe(0)
    start({ restsFirst: true, run })
    await until(() => runs > 1, { ...enough, what: 'two runs' })
  })

  test('that fails runs again; failure and recovery are logged once', async () => {
    let runs = 0
    const log = recordingLogger()
    start(
      {
        run: async () => {
          runs += 1
          if (runs <= 5) throw new Error('Redis is away')
        },
      },
      log,
    )
    await until(() => log.logged('maintenance.recovered').length > 0, { ...enough, what: 'its recovery' })
    expect(log.logged('maintenance.failed')).toHaveLength(1)
  })

  test('reports a fatal configuration error', async () => {
    const fatal: ReportedError[] = []
    start({ run: () => Promise.reject(new ConfigurationError('another store')) }, recordingLogger(), fatal)
    await until(() => fatal.length > 0, { ...enough, what: 'the word' })
    expect(fatal[0]?.message).toBe('another store')
  })
})

test('stop waits for the current run, and no other begins', async () => {
  let runs = 0
  let finished = false
  let finish = (): void => {}
  const tasks = start({
    run: async () => {
      runs += 1
      await new Promise<void>((resolve) => (finish = resolve))
      finished = true
    },
  })
  await until(() => runs === 1, { ...enough, what: 'the first run' })
  const stopped = tasks.stop()
  finish()
  await stopped
  expect([runs, finished]).toEqual([1, true])
})
