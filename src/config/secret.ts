import { inspect } from 'node:util'

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
