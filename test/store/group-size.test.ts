import { expect, test } from '@jest/globals'
import { openGroupSize } from '../../src/store/sqlite/group-size.js'

test('grows while the process has no time to spare, stays while it has little, and shrinks once it has enough', () => {
  let busy = 1
  let now = 0
  const groupSize = openGroupSize(
    () => busy,
    () => now,
  )
  const asked = (times: number): number[] =>
    Array.from({ length: times }, () => {
      now += 250
      return groupSize()
    })
  expect(groupSize()).toBe(1)
  expect(asked(8)).toEqual([2, 4, 8, 16, 32, 64, 64, 64])
  busy = 0.9
  expect(asked(3)).toEqual([64, 64, 64])
  busy = 0.8
  expect(asked(8)).toEqual([32, 16, 8, 4, 2, 1, 1, 1])
})
