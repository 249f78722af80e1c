import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { secret } from '../../src/config/secret.js'
import { settingsAgreement } from '../../src/control/shared-settings.js'
import { type InProcessSystem, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess()
})
afterEach(() => system.close())

const found = () => system.log.logged('setting.mismatch_found').map(({ facts }) => facts)
const SHARED: Parameters<typeof settingsAgreement>[0]['settings'] = {
  rateLimit: 300,
  creditReserve: 20,
  requestTimeoutMs: 5000,
  activeHours: null,
  webhookUrl: null,
}
const NIGHT = { TRACKYARD_ACTIVE_HOURS: '22:00-06:00', TRACKYARD_TIME_ZONE: 'Asia/Kolkata' }

test('a worker whose setting is not in force warns once for each value, naming both', async () => {
  const { log } = system
  const { queue } = await system.another()
  const ours = settingsAgreement({ queue: system.queue, settings: SHARED, log })
  const publish = (changes: Partial<typeof SHARED>) =>
    settingsAgreement({ queue, settings: { ...SHARED, ...changes }, log }).publish()
  const compared = async () => {
    for (let looks = 0; looks < 3; looks += 1) await ours.compare()
    return found().length
  }
  expect(await compared()).toBe(0)
  await publish({})
  expect(await compared()).toBe(0)
  await publish({ rateLimit: 100 })
  expect(await compared()).toBe(1)
  await publish({ rateLimit: 'auto' })
  expect(await compared()).toBe(2)
  await publish({ creditReserve: 0, requestTimeoutMs: 9000 })
  expect(await compared()).toBe(4)
  await publish({})
  expect(await compared()).toBe(4)
  await publish({ activeHours: system.settings(NIGHT).activeHours })
  expect(await compared()).toBe(5)
  await publish({ webhookUrl: secret('https://hooks.test/T0P-SECRET') })
  expect(await compared()).toBe(6)
  expect(JSON.stringify(system.log.lines)).not.toContain('T0P-SECRET')
  expect(found()).toMatchObject([
    { setting: 'TRACKYARD_RATE_LIMIT', here: '300', inForce: '100' },
    { setting: 'TRACKYARD_RATE_LIMIT', here: '300', inForce: 'auto' },
    { setting: 'TRACKYARD_CREDIT_RESERVE', here: '20', inForce: '0' },
    { setting: 'TRACKYARD_REQUEST_TIMEOUT_MS', here: '5000', inForce: '9000' },
    { setting: 'TRACKYARD_ACTIVE_HOURS', here: 'always', inForce: '22:00-06:00, Asia/Kolkata' },
    { setting: 'TRACKYARD_WEBHOOK_URL', here: 'not set', inForce: 'set' },
  ])
})

test('the first worker sets the rate limit, and the second one warns of all that differs, as does `status`', async () => {
  await system.worker({ TRACKYARD_RATE_LIMIT: '1000', TRACKYARD_CREDIT_RESERVE: '7' })
  const isPublished = async () => 'TRACKYARD_RATE_LIMIT' in (await system.queue.registry.publishedSettings())
  await until(isPublished, { timeoutMs: 120_000, what: 'its settings' })
  await system.worker({ TRACKYARD_RATE_LIMIT: '2000', TRACKYARD_REQUEST_TIMEOUT_MS: '9000' })
  await until(() => found().length === 3, { timeoutMs: 120_000, what: 'the warnings' })
  expect(found()).toMatchObject([
    { setting: 'TRACKYARD_RATE_LIMIT', here: '2000', inForce: '1000' },
    { setting: 'TRACKYARD_CREDIT_RESERVE', here: '0', inForce: '7' },
    { setting: 'TRACKYARD_REQUEST_TIMEOUT_MS', here: '9000', inForce: '20000' },
  ])
  let { reason } = (await system.status()).queue
  const isNamed = async () => {
    reason = (await system.status()).queue.reason
    return reason.includes('TRACKYARD_RATE_LIMIT is 2000, in others 1000 (2 more such settings): set the same')
  }
  await until(isNamed, { timeoutMs: 40_000, what: () => `status to name the settings; it says: ${reason}` })
  expect((await system.queue.throttle.rate())?.callsPerMinute).toBe(1000)
}, 240_000)
