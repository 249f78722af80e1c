import { expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { eachWithStore } from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

test('the pending ones are counted from the oldest that is not too old', async () => {
  const { notifications } = store
  expect(await notifications.pending(0)).toEqual({ count: 0, since: null })
  for (const at of [1000, 2000, 3000]) {
    await notifications.add({ event: 'batch.done', text: `at ${at}`, batch: null, figures: {} }, at)
  }
  expect(await notifications.pending(0)).toEqual({ count: 3, since: 1000 })
  expect(await notifications.pending(2000)).toEqual({ count: 2, since: 2000 })
  await notifications.remove((await notifications.next(2000))?.id ?? 0)
  expect(await notifications.pending(0)).toEqual({ count: 1, since: 3000 })
  expect(await notifications.pending(3001)).toEqual({ count: 0, since: null })
})
