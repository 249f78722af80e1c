import { expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { trackWriteFailures } from '../../src/processing/durable-write.js'

test('a write failure keeps its start and latest cause until it ends or a minute passes', () => {
  let second = 0
  const clock = { now: () => 1_000_000 + second * 1000, monotonicMs: () => second * 1000 }
  const failures = trackWriteFailures('claim', clock)
  expect(failures.current()).toBeNull()
  failures.failed(new UnreachableError('locked'))
  second = 50
  failures.failed(new UnreachableError('full'))
  second = 100
  expect(failures.current()).toEqual({ kind: 'claim', since: 1_000_000, cause: 'full' })
  failures.over()
  expect(failures.current()).toBeNull()
  failures.failed(new UnreachableError('locked'))
  second = 161
  expect(failures.current()).toBeNull()
  failures.failed(new UnreachableError('locked'))
  expect(failures.current()).toMatchObject({ since: 1_161_000 })
})
