import { expect, test } from '@jest/globals'
import { cleanupOnError, createCleanup, withCleanup } from '../../src/app/cleanup.js'

test('closes in reverse order, only once', async () => {
  const closed: string[] = []
  const cleanup = createCleanup()
  for (const name of ['store', 'queue', 'worker']) cleanup.add(() => closed.push(name))
  await Promise.all([cleanup.runAll(), cleanup.runAll()])
  await cleanup.runAll()
  expect(closed).toEqual(['worker', 'queue', 'store'])
})

test('a failing close does not stop the others and is thrown at the end', async () => {
  const closed: string[] = []
  const cleanup = createCleanup()
  cleanup.add(() => closed.push('store'))
  cleanup.add(() => Promise.reject(new Error('queue')))
  cleanup.add(() => {
    throw new Error('worker')
  })
  await expect(cleanup.runAll()).rejects.toThrow('worker')
  expect(closed).toEqual(['store'])
})

test('what is opened after the end is closed at once, and its failure is nobody’s', async () => {
  const closed: string[] = []
  const cleanup = createCleanup()
  cleanup.add(() => closed.push('store'))
  const ended = cleanup.runAll()
  cleanup.add(() => closed.push('queue'))
  await ended
  cleanup.add(() => Promise.reject(new Error('the socket is gone')))
  cleanup.add(() => closed.push('worker'))
  await new Promise((resolve) => setImmediate(resolve))
  expect(closed).toEqual(['store', 'queue', 'worker'])
  await cleanup.runAll()
})

test('if opening fails halfway, open resources are closed and it throws', async () => {
  const closed: string[] = []
  const half = cleanupOnError(async (cleanup) => {
    cleanup.add(() => closed.push('store'))
    throw new Error('Redis is away')
  })
  await expect(half).rejects.toThrow('Redis is away')
  expect(closed).toEqual(['store'])
})

test('if opening succeeds, nothing is closed', async () => {
  const closed: string[] = []
  expect(
    await cleanupOnError(async (cleanup) => {
      cleanup.add(() => closed.push('store'))
      return 'open'
    }),
  ).toBe('open')
  expect(closed).toEqual([])
})

test.each([
  ['returns', async () => 'used'],
  ['throws', () => Promise.reject(new Error('no space'))],
])('what `use` opened is closed when it %s', async (_how, use) => {
  const closed: string[] = []
  const used = withCleanup(async (cleanup) => {
    cleanup.add(() => closed.push('store'))
    return use()
  })
  expect(await used.catch(String)).toMatch(/used|no space/)
  expect(closed).toEqual(['store'])
})
