import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { didYouMean } from '../../src/domain/did-you-mean.js'

describe('did you mean', () => {
  test.each([
    ['TRACKYARD_CONCURENCY', 'TRACKYARD_CONCURRENCY'],
    ['TRACKYARD_API_KEYS', 'TRACKYARD_API_KEY'],
    ['trackyard-api-key', 'TRACKYARD_API_KEY'],
    ['titel', 'title'],
    ['moood', 'mood'],
  ])('%s: %s', (word, expected) => {
    const known = ['TRACKYARD_API_KEY', 'TRACKYARD_CONCURRENCY', 'title', 'mood', 'id']
    expect(didYouMean(word, known)).toBe(expected)
  })

  test('nothing near gives no guess', () => {
    expect(didYouMean('banana', ['title', 'mood'])).toBeNull()
    expect(didYouMean('x', [])).toBeNull()
  })

  test('two swapped letters count as one slip', () => {
    expect(didYouMean('modo', ['mood'])).toBe('mood')
    expect(didYouMean('abc', ['xbc', 'bac'])).toBe('xbc')
  })

  test('a known word is always its own answer', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), (words) => {
        expect(didYouMean(words[0] ?? '', words)).toBe(words[0])
      }),
    )
  })

  test('dropping any one letter of a longer word is forgiven', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{4,12}$/), fc.nat(), (word, at) => {
        const cut = at % word.length
        expect(didYouMean(word.slice(0, cut) + word.slice(cut + 1), [word])).toBe(word)
      }),
    )
  })
})
