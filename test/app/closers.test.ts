import { expect, test } from '@jest/globals'
import { openClosers, opening } from '../../src/app/closers.js'

test('closes in reverse order, once, however often it is asked', async () => {
  const closed: string[] = []
  const closers = openClosers()
  for (const name of ['store', 'queue', 'worker']) closers.add(() => closed.push(name))
  await Promise.all([closers.closeAll(), closers.closeAll()])
  await closers.closeAll()
  expect(closed).toEqual(['worker', 'queue', 'store'])
})

test('one that fails does not keep the others open; the first failure is thrown at the end', async () => {
  const closed: string[] = []
  const closers = openClosers()
  closers.add(() => closed.push('store'))
  closers.add(() => Promise.reject(new Error('queue')))
  closers.add(() => {
    throw new Error('worker')
  })
  await expect(closers.closeAll()).rejects.toThrow('worker')
  expect(closed).toEqual(['store'])
})

test('when opening fails half-way, what is open is closed and the failure is told', async () => {
  const closed: string[] = []
  const half = opening(async (closers) => {
    closers.add(() => closed.push('store'))
    throw new Error('Redis is away')
  })
  await expect(half).rejects.toThrow('Redis is away')
  expect(closed).toEqual(['store'])
})

test('when all goes well nothing is closed', async () => {
  const closed: string[] = []
  expect(
    await opening(async (closers) => {
      closers.add(() => closed.push('store'))
      return 'open'
    }),
  ).toBe('open')
  expect(closed).toEqual([])
})
