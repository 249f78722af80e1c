import { expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { trackWriteFailures } from '../../src/processing/durable-write.js'

test('a write failure keeps its start and latest cause until it ends or a minute passes', () => {
  let second = 0
  const clock = { now: () => 1_000_000 + second * 1000, monotonicMs: () => second * 1000 }
  const trouble = trackWriteFailures('claim', clock)
  expect(trouble.current()).toBeNull()
  trouble.failed(new UnreachableError('locked'))
  second = 50
  trouble.failed(new UnreachableError('full'))
  second = 100
  expect(trouble.current()).toEqual({ kind: 'claim', since: 1_000_000, cause: 'full' })
  trouble.over()
  expect(trouble.current()).toBeNull()
  trouble.failed(new UnreachableError('locked'))
  second = 161
  expect(trouble.current()).toBeNull()
  trouble.failed(new UnreachableError('locked'))
  expect(trouble.current()).toMatchObject({ since: 1_161_000 })
})
