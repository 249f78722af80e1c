import { readErrorBody } from './error-body.js'

/** Describes a body that is not an answer, for messages of the form "expected …, found …". */
export function describeBody(body: string): string {
  if (body.trim() === '') return 'an empty body'
  if (/^\s*<[a-z!?]/i.test(body)) return 'HTML'
  let value: unknown
  try {
    value = JSON.parse(body.startsWith('\uFEFF') ? body.slice(1) : body)
  } catch {
    return 'no JSON'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `JSON that is ${kindOf(value)}`
  return describeObject(value, body)
}

function describeObject(value: object, body: string): string {
  if ('tracks' in value) {
    const { tracks } = value
    return Array.isArray(tracks)
      ? 'JSON whose "tracks" are not all objects'
      : `JSON whose "tracks" is ${kindOf(tracks)}`
  }
  if ('error' in value) {
    const { error, message } = readErrorBody(body)
    return `JSON of an error: ${error ?? message ?? 'no reason given'}`
  }
  const wrapper = Object.entries(value).find(([, inner]) => hasTracks(inner))
  if (wrapper !== undefined) return `JSON whose "tracks" are inside ${JSON.stringify(wrapper[0].slice(0, 40))}`
  return 'JSON without "tracks"'
}

function hasTracks(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'tracks' in value
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
