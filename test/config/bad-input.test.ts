import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readEnvironment } from '../../src/config/env-file.js'
import { loadSettings } from '../../src/config/load-settings.js'
import { SETTING_NAMES } from '../../src/config/setting-table.js'
import type { Settings } from '../../src/config/settings.js'
import { ConfigurationError } from '../../src/domain/errors.js'
import { anyCharacter } from '../support/any-character.js'

const SECRET = 'hunter2-4f9a7c21'
let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bad-settings-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Whatever is thrown must be the one named error; neither it nor the settings may show the secret. */
function settingsOrRefusal(read: () => Settings): void {
  let shown: string
  try {
    const settings = read()
    expect(Object.isFrozen(settings)).toBe(true)
    shown = inspect(settings, { depth: 9 }) + JSON.stringify(settings)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    shown = (error as ConfigurationError).message
    expect(shown).toMatch(/(expected|no such setting|the value would end)[\s\S]*\.|\?/)
  }
  expect(shown).not.toContain(SECRET)
}

const SECRET_NAMES = ['API_KEY', 'REDIS_URL', 'WEBHOOK_URL', 'BOARD_PASSWORD'].map((name) => `TRACKYARD_${name}`)
const text = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 20 }),
  fc.constantFrom('', ' ', '0', '-1', '1e3', 'auto', '../x'),
)
const number = fc.oneof(fc.integer(), fc.double()).map(String)
/** A secret as people paste it: bare, quoted, with a prefix, in an address, over two lines. */
const withSecret = fc
  .tuple(
    text,
    fc.constantFrom(SECRET, `"${SECRET}"`, `Bearer ${SECRET}`, `http://:${SECRET}@x`, `redis://me:${SECRET}@h:x/`),
    text,
  )
  .map((parts) => parts.join(''))
const environment = fc
  .tuple(
    fc.dictionary(fc.constantFrom(...SETTING_NAMES), fc.oneof(text, number), { maxKeys: 6 }),
    fc.dictionary(fc.constantFrom(...SECRET_NAMES), withSecret, { maxKeys: 3 }),
    fc.dictionary(
      text.map((name) => `TRACKYARD_${name}`),
      text,
      { maxKeys: 2 },
    ),
  )
  .map(([values, secrets, unknown]) => ({ ...unknown, ...values, ...secrets }))

test('any environment is settings or one refusal, and neither shows a secret', () => {
  fc.assert(
    fc.property(environment, (env) => settingsOrRefusal(() => loadSettings(env))),
    { numRuns: 500 },
  )
})

const line = fc.oneof(
  text,
  withSecret,
  fc
    .tuple(fc.constantFrom(...SETTING_NAMES), fc.constantFrom('=', ' = ', ' ', '= "', "='"), fc.oneof(text, number))
    .map((parts) => parts.join('')),
  fc
    .tuple(fc.constantFrom(...SECRET_NAMES), fc.constantFrom('=', ' ', '= "', "='", ': '), withSecret)
    .map((parts) => parts.join('')),
  fc.constantFrom('# comment', '', 'export', '"', '=', 'export =', '\uFEFF'),
)

test('any .env is settings or one refusal, and neither shows a secret', () => {
  const end = fc.constantFrom('\n', '\r\n', '\r')
  fc.assert(
    fc.property(fc.array(fc.tuple(line, end), { maxLength: 6 }), (lines) => {
      writeFileSync(join(directory, '.env'), lines.flat().join(''))
      settingsOrRefusal(() => loadSettings(readEnvironment({ env: {}, cwd: directory })))
    }),
    { numRuns: 500 },
  )
})

test('any bytes in .env or in the key file are settings or one refusal', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, isKey) => {
      writeFileSync(join(directory, '.env'), isKey ? '' : bytes)
      writeFileSync(join(directory, 'key'), bytes)
      const env = isKey ? { TRACKYARD_API_KEY_FILE: join(directory, 'key') } : {}
      settingsOrRefusal(() => loadSettings(readEnvironment({ env, cwd: directory })))
    }),
    { numRuns: 200 },
  )
})
