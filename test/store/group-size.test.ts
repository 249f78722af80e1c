import { describe, expect, test } from '@jest/globals'
import { openGroupSize } from '../../src/store/sqlite/group-size.js'

let busy: number
let waitedMs: number
let now: number

function open(): { readonly groupSize: () => number; asked(times: number): number[] } {
  busy = 0
  waitedMs = 0
  now = 0
  const groupSize = openGroupSize(
    () => waitedMs,
    () => busy,
    () => now,
  )
  const ask = (): number => {
    now += 250
    return groupSize()
  }
  return { groupSize, asked: (times) => Array.from({ length: times }, ask) }
}

describe('the size of a group', () => {
  test('grows while the process is busy, stays while it has little idle time, and shrinks once it has enough', () => {
    const { groupSize, asked } = open()
    expect(groupSize()).toBe(1)
    busy = 1
    expect(asked(8)).toEqual([2, 4, 8, 16, 32, 64, 64, 64])
    busy = 0.9
    expect(asked(3)).toEqual([64, 64, 64])
    busy = 0.8
    expect(asked(8)).toEqual([32, 16, 8, 4, 2, 1, 1, 1])
  })

  test('grows while another process often holds the lock of the store, and shrinks once it hardly does', () => {
    const { asked } = open()
    busy = 0.5
    const asksWhileWaiting = (ms: number): number[] =>
      [1, 2, 3].flatMap(() => {
        waitedMs += ms
        return asked(1)
      })
    expect(asksWhileWaiting(6)).toEqual([2, 4, 8])
    expect(asksWhileWaiting(3)).toEqual([8, 8, 8])
    expect(asksWhileWaiting(1)).toEqual([4, 2, 1])
  })
})
