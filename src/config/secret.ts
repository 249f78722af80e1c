import { inspect } from 'node:util'
import { isRecord } from '../domain/json.js'

/**
 * Holds a text that must not be shown. Printing, logging, inspecting or serializing it gives
 * `[secret]`. Only `reveal()` returns the text, so every use can be found by name.
 */
export interface Secret {
  reveal(): string
  toString(): string
  toJSON(): string
}

const MASK = '[secret]'

export function secret(text: string): Secret {
  const mask = (): string => MASK
  return Object.freeze({ reveal: () => text, toString: mask, toJSON: mask, [inspect.custom]: mask })
}

/** Every secret in a value, however deep. */
export function secretsIn(value: unknown): Secret[] {
  if (isSecret(value)) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsIn) : []
}

function isSecret(value: unknown): value is Secret {
  return isRecord(value) && typeof value.reveal === 'function'
}
