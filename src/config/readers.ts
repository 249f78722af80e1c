import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'
import { redisUrlProblem } from '../domain/redis-url.js'
import { type Secret, secret } from './secret.js'

/**
 * Parse the text of a setting into its value. The message of every issue is a phrase for what was
 * expected, so that it fits "NAME: expected …, found …".
 */
export type Reader<T> = z.ZodType<T, string>

export function wholeNumber(min: number, max: number): Reader<number> {
  const error = `a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,15}$/, { error })
    .transform(Number)
    .pipe(z.number().min(min, { error }).max(max, { error }))
}

/** A whole number, or the word that means "detect it", such as `auto`. */
export function wholeNumberOr<const W extends string>(word: W, min: number, max: number): Reader<number | W> {
  const error = `${word}, or a whole number from ${min} to ${max}`
  return z
    .string()
    .refine((text) => text === word || wholeNumber(min, max).safeParse(text).success, { error })
    .transform((text) => (text === word ? word : Number(text)))
}

/** Decimals are allowed: `0.5`. */
export function plainNumber(min: number, max: number): Reader<number> {
  const error = `a number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,15}(\.\d{1,6})?$/, { error })
    .transform(Number)
    .pipe(z.number().min(min, { error }).max(max, { error }))
}

export function oneOf<const T extends string>(...words: readonly [T, ...T[]]): Reader<T> {
  const error = `one of ${words.join(', ')}`
  return z.string().toLowerCase().pipe(z.enum(words, { error }))
}

export function yesOrNo(): Reader<boolean> {
  return z
    .string()
    .toLowerCase()
    .pipe(z.enum(['true', 'yes', '1', 'false', 'no', '0'], { error: 'true or false' }))
    .transform((word) => ['true', 'yes', '1'].includes(word))
}

export function textLike(pattern: RegExp, expected: string): Reader<string> {
  return z.string().regex(pattern, { error: expected })
}

export function secretLike(pattern: RegExp, expected: string): Reader<Secret> {
  return textLike(pattern, expected).transform(secret)
}

/** Absolute. Expands `~/` to the home directory, because no shell expands it in a `.env`. */
export function path(): Reader<string> {
  const error = 'a path without ~, since this user has no home directory'
  return z
    .string()
    .refine((text) => !IN_HOME.test(text) || homeDirectory() !== null, { error })
    .transform((text) => resolve(text.replace(IN_HOME, () => homeDirectory() ?? '')))
}

const IN_HOME = /^~(?=\/|$)/

/** Null for a user that the system does not know, such as an arbitrary user id in a container. */
export function homeDirectory(): string | null {
  try {
    return homedir()
  } catch {
    return null
  }
}

/**
 * Origin and path in canonical form (lower case, no default port, no trailing slash), because
 * addresses are compared.
 */
export function httpUrl(): Reader<string> {
  const error = 'an http:// or https:// address without user, password, query or fragment'
  return z
    .string()
    .refine(
      (text) => {
        const url = parseUrl(text, ['http:', 'https:'])
        return url !== null && url.username === '' && url.password === '' && !/[?#]/.test(text)
      },
      { error },
    )
    .transform((text) => {
      const { origin, pathname } = new URL(text)
      return `${origin}${pathname}`.replace(/\/+$/, '')
    })
}

/**
 * Without a trailing slash.
 * @param own first segments that the board uses itself
 */
export function urlPath(...own: readonly string[]): Reader<string> {
  const error = `a path such as /queues-admin, of letters, digits and - . _ ~, that does not begin with /${own.join(', /')}`
  return z
    .string()
    .transform((text) => text.replace(/\/$/, ''))
    .refine(
      (text) => {
        const [root, ...segments] = text.split('/')
        const isPlain = segments.every((each) => /^[\w.~-]+$/.test(each) && !/^\.\.?$/.test(each))
        return root === '' && segments.length > 0 && isPlain && !own.includes(segments[0] ?? '')
      },
      { error },
    )
}

export function secretHttpUrl(): Reader<Secret> {
  const error = 'an http:// or https:// address'
  return z
    .string()
    .refine((text) => parseUrl(text, ['http:', 'https:']) !== null, { error })
    .transform(secret)
}

export function redisUrl(): Reader<Secret> {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = redisUrlProblem(text)
      if (problem !== null) context.addIssue({ code: 'custom', message: problem })
    })
    .transform(secret)
}

function parseUrl(text: string, protocols: readonly string[]): URL | null {
  if (!URL.canParse(text) || /\s/.test(text)) return null
  const url = new URL(text)
  return protocols.includes(url.protocol) && url.hostname !== '' ? url : null
}
