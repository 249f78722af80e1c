import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { keepActiveHours } from '../../src/control/active-hours.js'
import { pause, resumeByHand } from '../../src/control/pauses.js'
import { parseActiveHours, type ZonedHours } from '../../src/domain/active-hours.js'
import { systemClock } from '../../src/domain/clock.js'
import { openProcessor } from '../processing/setup.js'
import { type InProcessSystem, queries, refOf, startInProcess } from '../support/in-process-system.js'

/** Time is an argument here; the calls are counted at the simulator. */
let system: InProcessSystem
let time = 0
beforeEach(async () => {
  system = await startInProcess({ simulator: { credits: 10_000, latencyMs: 0 } })
})
afterEach(() => system.close())

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const parts = () => ({ ...system, now: () => time })
const causes = async () => (await system.store.pauses.list()).map(({ cause }) => cause)

function within(text: string, zone: string): ZonedHours {
  const hours = parseActiveHours(text)
  if (hours === null) throw new Error(`expected "${text}" to be valid`)
  return { hours, zone }
}

const NIGHT = within('22:00-06:00', 'Europe/Berlin')
const keep = (hours: ZonedHours | null = NIGHT) => keepActiveHours({ ...parts(), hours })

const processor = () =>
  openProcessor(system, { requestTimeoutMs: 20_000 }, { clock: { ...systemClock, now: () => time } })

describe('the night begins and ends', () => {
  test('a pause outside the hours, lifted without a probe when they begin', async () => {
    time = Date.parse('2026-03-10T21:59:59+01:00')
    await keep()
    expect(await system.store.pauses.list()).toEqual([
      { cause: 'outside_hours', since: time, detail: '22:00-06:00, Europe/Berlin' },
    ])
    expect(await system.queue.throttle.isPaused()).toBe(true)
    time += 1000
    await keep()
    expect([await causes(), await system.queue.throttle.isPaused()]).toEqual([[], false])
    expect(await system.store.pauses.probing()).toBe(false)
    time = Date.parse('2026-03-11T06:00:00+01:00')
    await keep()
    expect(await causes()).toEqual(['outside_hours'])
  })

  test('the first claim within two seconds of the end is refused, even if nobody keeps the hours any more', async () => {
    await system.submit(queries(3))
    time = Date.parse('2026-03-11T05:59:57.999+01:00')
    await keep()
    const { handle } = processor()
    expect(await handle({ ref: refOf('scene 1') })).toMatchObject({ do: 'succeed' })
    time += 1
    expect(await handle({ ref: refOf('scene 2') })).toEqual({ do: 'requeue' })
    expect(await causes()).toEqual(['outside_hours'])
    expect(system.simulator.calls()).toHaveLength(1)
  })

  test('another pause stays when the hours begin; the hours stay when it is lifted', async () => {
    time = Date.parse('2026-03-10T12:00:00+01:00')
    await keep()
    await pause(parts(), 'operator', 'lunch')
    expect(await resumeByHand(parts())).toMatchObject({ lifted: ['operator'], stillActive: ['outside_hours'] })
    await pause(parts(), 'operator', 'dinner')
    time = Date.parse('2026-03-10T22:00:00+01:00')
    await keep()
    expect([await causes(), await system.queue.throttle.isPaused()]).toEqual([['operator'], true])
  })

  test('without the setting the pause and what the store knows of hours are gone', async () => {
    time = Date.parse('2026-03-10T12:00:00+01:00')
    await keep()
    await keep(null)
    expect([await causes(), await system.store.pauses.activeHours()]).toEqual([[], null])
    await keep(within('00:00-24:00', 'Europe/Berlin'))
    expect(await causes()).toEqual([])
  })
})

describe('resume --now', () => {
  test('lets calls start until the hours end the next time', async () => {
    time = Date.parse('2026-03-10T12:00:00+01:00')
    await system.submit(queries(5))
    await keep()
    const end = Date.parse('2026-03-11T06:00:00+01:00')
    expect(await resumeByHand(parts(), true)).toMatchObject({ lifted: ['outside_hours'], hoursOverriddenUntil: end })
    const { handle } = processor()
    for (const at of ['2026-03-10T12:00:01+01:00', '2026-03-10T21:00:00+01:00', '2026-03-11T05:59:57+01:00']) {
      time = Date.parse(at)
      await keep()
      expect(await causes()).toEqual([])
    }
    expect(await handle({ ref: refOf('scene 1') })).toMatchObject({ do: 'succeed' })
    time = end - 2000
    expect(await handle({ ref: refOf('scene 2') })).toEqual({ do: 'requeue' })
    await keep()
    expect(await causes()).toEqual(['outside_hours'])
  })

  test('changes nothing within the hours, or without hours', async () => {
    expect(await resumeByHand(parts(), true)).toMatchObject({ hoursOverriddenUntil: null })
    time = Date.parse('2026-03-10T23:00:00+01:00')
    await keep()
    expect(await resumeByHand(parts(), true)).toMatchObject({ lifted: [], hoursOverriddenUntil: null })
    time = Date.parse('2026-03-11T06:00:00+01:00')
    await keep()
    expect(await causes()).toEqual(['outside_hours'])
  })
})

/** What a clock on the wall shows there, by code that shares nothing with ours. */
function wallClock(zone: string, at: number): string {
  return new Date(at).toLocaleTimeString('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
}

describe('across the changes of the clock, by the calls that reach the API', () => {
  test.each<[string, string]>([
    ['Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '2026-10-25T01:00:00Z'],
    ['America/New_York', '2026-03-08T07:00:00Z'],
    ['America/New_York', '2026-11-01T06:00:00Z'],
    ['Asia/Kolkata', '2026-10-24T18:30:00Z'],
  ])('%s around %s: calls start within 22:00-03:30, and at all of these times', async (zone, change) => {
    const hours = within('22:00-03:30', zone)
    const from = Date.parse(change) - 8 * HOUR
    const steps = (16 * HOUR) / (10 * MINUTE)
    await system.submit(queries(steps))
    const { handle } = processor()
    const [started, expected]: [string[], string[]] = [[], []]
    for (let step = 0; step < steps; step += 1) {
      time = from + step * 10 * MINUTE
      // Every other time nobody has looked at the hours since the last call.
      if (step % 2 === 0) await keep(hours)
      const before = system.simulator.calls().length
      const shown = wallClock(zone, time)
      if (shown >= '22:00' || shown < '03:30') expected.push(`${step} ${shown}`)
      await handle({ ref: refOf(`scene ${step + 1}`) })
      if (system.simulator.calls().length > before) started.push(`${step} ${shown}`)
    }
    // A pause is lifted by whoever keeps the hours: where nobody does, the first call waits for that.
    expect(expected.filter((at) => !started.includes(at)).length).toBeLessThanOrEqual(1)
    expect(started.filter((at) => !expected.includes(at))).toEqual([])
    expect(started.length).toBeGreaterThan(20)
  })
})
