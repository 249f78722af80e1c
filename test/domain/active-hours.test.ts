import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type ActiveHours,
  activeMsBetween,
  afterActiveMs,
  hoursInForce,
  isAlwaysActive,
  isTimeZone,
  parseActiveHours,
  parseMoment,
} from '../../src/domain/active-hours.js'

const ZONES = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata'] as const
const HOUR = 3_600_000
const DAY = 24 * HOUR

function hours(text: string): ActiveHours {
  const parsed = parseActiveHours(text)
  if (parsed === null) throw new Error(`expected "${text}" to be valid`)
  return parsed
}

function isActiveAt(hours: ActiveHours, zone: string, now: number): boolean {
  return hoursInForce({ hours, zone }, now)?.closedFrom !== 0
}

function nextChange(hours: ActiveHours, zone: string, now: number): number | null {
  const inForce = hoursInForce({ hours, zone }, now)
  return inForce === null ? null : inForce.closedFrom || inForce.closedUntil
}

describe('what may be written', () => {
  test.each<[string, [number, number][]]>([
    ['22:00-06:00', [0, 1, 2, 3, 4, 5, 6].map((day): [number, number] => [day * 1440 + 1320, day * 1440 + 1800])],
    ['Sat-Sun', [[7200, 10_080]]],
    ['mon', [[0, 1440]]],
    ['Fri 20:00-07:00, Sat - Sun', [[6960, 10_080]]],
    ['Sunday 22:00-24:00, Mon 0:00-06:00', [[10_020 - 60 + 0, 10_440]]],
    [
      'Sat-Mon 08:00-09:00',
      [
        [480, 540],
        [7680, 7740],
        [9120, 9180],
      ],
    ],
    ['00:00-24:00', [[0, 10_080]]],
    ['Always', [[0, 10_080]]],
    ['22:00-10:00,09:00-22:00', [[0, 10_080]]],
  ])('%s', (text, spans) => {
    const sorted = spans.map(([from, to]) => ({ from, to })).toSorted((a, b) => a.from - b.from)
    expect(hours(text).spans).toEqual(sorted)
  })

  test.each(['', '22-06', '22:00', '22:00-22:00', '24:00-06:00', '25:00-06:00', '22:60-06:00', 'Mo-Fr 20:00-07:00'])(
    'not %p',
    (text) => expect(parseActiveHours(text)).toBeNull(),
  )
  test.each([
    'Mon-Fri 20:00-07:00,',
    'Mon-',
    'always, Mon',
    '22:00-06:00 Mon',
    '-1:00-06:00',
    'Mon-Fri-Sun',
    '10:00−12:00',
  ])('nor %p', (text) => expect(parseActiveHours(text)).toBeNull())

  test('zones are those of IANA', () => {
    expect(['Europe/Berlin', 'UTC', 'Asia/Kolkata'].every(isTimeZone)).toBe(true)
    expect(['Berlin', '', 'Europe/Berlin ', '+05:30'].some(isTimeZone)).toBe(false)
  })
})

describe('the nights in which the clock changes', () => {
  const night = (zone: string, from: string, text = '22:00-06:00') => {
    const noon = Date.parse(from)
    return [activeMsBetween(hours(text), zone, noon, noon + DAY + HOUR), nextChange(hours(text), zone, noon)]
  }
  test.each<[string, string, number, string]>([
    ['Europe/Berlin', '2026-03-28T12:00:00+01:00', 7, '2026-03-28T22:00:00+01:00'],
    ['Europe/Berlin', '2026-10-24T12:00:00+02:00', 9, '2026-10-24T22:00:00+02:00'],
    ['America/New_York', '2026-03-07T12:00:00-05:00', 7, '2026-03-07T22:00:00-05:00'],
    ['America/New_York', '2026-10-31T12:00:00-04:00', 9, '2026-10-31T22:00:00-04:00'],
    ['Asia/Kolkata', '2026-03-28T12:00:00+05:30', 8, '2026-03-28T22:00:00+05:30'],
  ])('%s from %s: %i hours', (zone, from, expected, starts) => {
    expect(night(zone, from)).toEqual([expected * HOUR, Date.parse(starts)])
  })

  test.each<[string, string, number]>([
    ['01:00-02:30', '2026-10-24T12:00:00+02:00', 1.5],
    ['02:30-04:00', '2026-10-24T12:00:00+02:00', 1.5],
    ['02:15-02:45', '2026-10-24T12:00:00+02:00', 0.5],
    ['02:00-03:00', '2026-10-24T12:00:00+02:00', 2],
    ['22:00-02:00', '2026-10-24T12:00:00+02:00', 4],
    ['22:00-02:30, 02:30-06:00', '2026-10-24T12:00:00+02:00', 9],
    ['02:00-03:00', '2026-03-28T12:00:00+01:00', 0],
    ['01:00-02:30', '2026-03-28T12:00:00+01:00', 1],
    ['02:30-04:00', '2026-03-28T12:00:00+01:00', 1],
  ])('Berlin, %s after %s: %d hours', (text, from, expected) => {
    expect(night('Europe/Berlin', from, text)[0]).toBe(expected * HOUR)
  })

  test('a time zone with a change of half an hour, and one of a whole day', () => {
    // Lord Howe: 02:00 back to 01:30. Samoa had no 30 December 2011.
    const howe = Date.parse('2026-04-04T12:00:00+11:00')
    expect(activeMsBetween(hours('22:00-06:00'), 'Australia/Lord_Howe', howe, howe + DAY)).toBe(8.5 * HOUR)
    const apia = Date.parse('2011-12-29T12:00:00-10:00')
    expect(activeMsBetween(hours('22:00-06:00'), 'Pacific/Apia', apia, apia + DAY)).toBe(8 * HOUR)
  })
})

/** What a clock on the wall shows, by code that shares nothing with ours: minutes since Monday 00:00. */
function wallMinutes(zone: string, at: number): number {
  const shown = new Date(at).toLocaleString('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  const [, day = '', hour, minute] = /^(\w{3}),? (\d\d):(\d\d)$/.exec(shown) ?? []
  return ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(day) * 1440 + Number(hour) * 60 + Number(minute)
}

function isOnTheWall({ spans }: ActiveHours, minutes: number): boolean {
  return spans.some(({ from, to }) => (minutes >= from && minutes < to) || minutes + 10_080 < to)
}

describe('for any hours, in real zones, around the changes of the clock', () => {
  const DAY_NAMES = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
  const time = fc
    .tuple(fc.nat({ max: 23 }), fc.constantFrom(0, 15, 30, 59))
    .map(([hour, minute]) => `${hour}:${String(minute).padStart(2, '0')}`)
  const span = fc
    .record({
      days: fc.option(fc.tuple(fc.constantFrom(...DAY_NAMES), fc.constantFrom(...DAY_NAMES))),
      from: time,
      to: time,
    })
    .filter(({ from, to }) => from !== to)
    .map(({ days, from, to }) => `${days === null ? '' : `${days.join('-')} `}${from}-${to}`)
  const anyHours = fc
    .array(span, { minLength: 1, maxLength: 3 })
    .map((spans) => hours(spans.join(', ')))
    .filter((parsed) => !isAlwaysActive(parsed))
  const zone = fc.constantFrom(...ZONES)
  /** Half of them within two days of a change of the clock in Berlin or New York. */
  const CHANGES = ['2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-03-08T07:00Z', '2026-11-01T06:00Z'].map((text) =>
    Date.parse(text),
  )
  const instant = fc.oneof(
    fc
      .tuple(fc.constantFrom(...CHANGES), fc.integer({ min: -2880, max: 2880 }))
      .map(([at, minutes]) => at + minutes * 60_000),
    fc.integer({ min: Date.parse('2024-01-01'), max: Date.parse('2030-01-01') }),
  )

  test('active only while the clock on the wall shows an active time', () => {
    fc.assert(
      fc.property(anyHours, zone, instant, (any, where, at) => {
        if (isActiveAt(any, where, at)) expect(isOnTheWall(any, wallMinutes(where, at))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('away from the changes: whenever the clock on the wall shows an active time', () => {
    fc.assert(
      fc.property(anyHours, zone, instant, (any, where, at) => {
        fc.pre(CHANGES.every((change) => Math.abs(at - change) > 3 * HOUR) && new Date(at).getUTCFullYear() === 2026)
        expect(isActiveAt(any, where, at)).toBe(isOnTheWall(any, wallMinutes(where, at)))
      }),
      { numRuns: 300 },
    )
  })

  test('nothing changes before the next change, and then it does', () => {
    fc.assert(
      fc.property(anyHours, zone, instant, fc.double({ min: 0, max: 0.999, noNaN: true }), (any, where, at, share) => {
        const change = nextChange(any, where, at)
        if (change === null) throw new Error('expected a change')
        expect(change).toBeGreaterThan(at)
        const active = isActiveAt(any, where, at)
        expect(isActiveAt(any, where, Math.floor(at + (change - at) * share))).toBe(active)
        expect(isActiveAt(any, where, change - 1)).toBe(active)
        expect(isActiveAt(any, where, change)).toBe(!active)
        const inForce = hoursInForce({ hours: any, zone: where }, at)
        if (inForce === null) throw new Error('expected hours')
        expect(nextChange(any, where, inForce.closedUntil)).toBe(inForce.nextEnd)
        if (active) expect(nextChange(any, where, change)).toBe(inForce.closedUntil)
      }),
      { numRuns: 300 },
    )
  })

  test('active time adds up: no hour counts twice, none is lost', () => {
    fc.assert(
      fc.property(
        anyHours,
        zone,
        instant,
        fc.integer({ min: 1, max: 5 * DAY }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (any, where, from, length, share) => {
          const [to, between] = [from + length, Math.floor(from + length * share)]
          const whole = activeMsBetween(any, where, from, to)
          expect(activeMsBetween(any, where, from, between) + activeMsBetween(any, where, between, to)).toBe(whole)
          let counted = 0
          for (let at = from; at < to; ) {
            const next = Math.min(to, nextChange(any, where, at) ?? to)
            if (isActiveAt(any, where, at)) counted += next - at
            at = next
          }
          expect(counted).toBe(whole)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('a forecast of so much active time ends when that time has passed', () => {
    fc.assert(
      fc.property(anyHours, zone, instant, fc.integer({ min: 1, max: 6 * HOUR }), (any, where, from, ms) => {
        const at = afterActiveMs(any, where, from, ms)
        expect(activeMsBetween(any, where, from, at)).toBe(ms)
        expect(isActiveAt(any, where, at - 1)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })
})

test('a forecast of centuries comes at once', () => {
  const from = Date.parse('2026-01-01')
  const at = afterActiveMs(hours('02:00-02:01'), 'Europe/Berlin', from, 500 * 365 * DAY)
  expect(at).toBeGreaterThan(from + 500 * 365 * 1400 * DAY)
})

describe('a moment that somebody writes', () => {
  const after = Date.parse('2026-03-28T12:00:00+01:00')
  test.each<[string, string | null]>([
    ['07:00', '2026-03-29T07:00:00+02:00'],
    ['22:00', '2026-03-28T22:00:00+01:00'],
    ['12:00', '2026-03-29T12:00:00+02:00'],
    ['2:30', '2026-03-29T03:00:00+02:00'],
    ['2026-10-25 02:30', '2026-10-25T02:30:00+02:00'],
    ['2026-03-01T07:00', '2026-03-01T07:00:00+01:00'],
    ['2026-03-28T07:00:00Z', '2026-03-28T07:00:00Z'],
    ['2026-03-28T07:00:00-05:00', '2026-03-28T07:00:00-05:00'],
    ['2026-02-30 07:00', null],
    ['24:00', null],
    ['7', null],
    ['tomorrow', null],
    ['', null],
    ['2026-13-01T07:00:00Z', null],
    ['2026-13-01 22:00', null],
    ['2026-00-01 22:00', null],
    ['2026-02-30T07:00:00Z', null],
  ])('%j', (text, expected) => {
    expect(parseMoment(text, 'Europe/Berlin', after)).toBe(expected === null ? null : Date.parse(expected))
  })
})
