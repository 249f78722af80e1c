import { expect, test } from '@jest/globals'
import { isSameApi } from '../../src/domain/api-address.js'

const REAL = 'https://api.example.test/v1'
const HERE = 'http://127.0.0.1:3211/v1'

const same = (from: string, to: string, adopted = false) => isSameApi({ address: from, adopted }, to)

test('an address is the same API as itself only', () => {
  expect(same(REAL, REAL)).toBe(true)
  expect(same(REAL, 'https://api.example.test/v2')).toBe(false)
  expect(same(REAL, 'https://api.example.test:8443/v1')).toBe(false)
})

test.each(['http://localhost:9', 'http://127.8.9.10:9/v2', 'http://[::1]:9'])(
  'on this machine all addresses are one rehearsal: %s',
  (address) => {
    expect([same(HERE, address), same(address, HERE)]).toEqual([true, true])
    expect([same(address, REAL), same(REAL, address)]).toEqual([false, false])
  },
)

test.each(['http://localhost.example.test', 'http://10.0.0.1', 'http://128.0.0.1', 'http://simulator:3211'])(
  '%s is not this machine',
  (address) => expect(same(HERE, address)).toBe(false),
)

test('an address on this machine that somebody adopted is no rehearsal', () => {
  expect(same(HERE, 'http://127.0.0.1:3212/v1', true)).toBe(false)
  expect(same(HERE, HERE, true)).toBe(true)
})
