import { asCount, isRecord, parseJson } from './json.js'
import { type Tagging, type Track, tagging } from './tags.js'

/**
 * Parses the body of an answer into tracks. An answer is paid for, so this parser is strict about one
 * thing only: the documented frame, a JSON object with a list `tracks` of objects. Inside the frame it is
 * tolerant: a field that is missing or of another type is null or empty. Pure, so that a better rule can
 * parse the stored body again without a credit. The body is stored as received. The limits below apply
 * only to what is parsed from it and are far above what the API document allows.
 * Source: the API document, POST /search.
 */

/** The document's largest `limit`. Tracks come best first. */
const MAX_TRACKS = 100
/** Words in one list of one track. The document shows two or three. */
const MAX_LIST_LENGTH = 100
const MAX_TEXT_LENGTH = 1000

/** @returns null when the body is not an answer of the documented frame */
export function parseTracks(body: string): Track[] | null {
  return parseAnswer(body)?.tracks ?? null
}

export interface Answer {
  /** How many. */
  readonly tracks: number
  /** Null: without tracks. */
  readonly tagging: Tagging | null
  /** The balance after this call. */
  readonly creditsRemaining: number | null
}

/** @returns null when the body is not an answer of the documented frame */
export function readAnswer(body: string): Answer | null {
  const answer = parseAnswer(body)
  if (answer === null) return null
  const { tracks, creditsRemaining } = answer
  return { tracks: tracks.length, tagging: tagging(tracks), creditsRemaining }
}

type Fields = Readonly<Record<string, unknown>>

function parseAnswer(body: string): { tracks: Track[]; creditsRemaining: number | null } | null {
  const answer = parseAsPython(body)
  if (!isRecord(answer) || !Array.isArray(answer.tracks) || !answer.tracks.every(isRecord)) return null
  const tracks = answer.tracks.slice(0, MAX_TRACKS).map(readTrack)
  return { tracks, creditsRemaining: asCount(answer.credits_remaining) }
}

/** Python writes NaN and Infinity where JSON has no number; they count as null. */
function parseAsPython(body: string): unknown {
  return parseJson(body) ?? (/NaN|Infinity/.test(body) ? parseJson(withoutNaN(body)) : null)
}

/**
 * Inside strings, the words stay. An unterminated string matches up to the end of the body, so that the
 * pattern never scans it twice.
 */
function withoutNaN(text: string): string {
  return text.replace(/"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/g, (found) =>
    found.startsWith('"') ? found : 'null',
  )
}

function readTrack(track: Fields): Track {
  return {
    id: text(track.id) ?? '',
    title: text(track.title),
    artist: text(track.artist),
    bpm: positiveNumber(track.bpm),
    key: text(track.key),
    genre: text(track.genre),
    subgenres: texts(track.subgenres),
    moods: texts(track.moods),
    instruments: texts(track.instruments),
    hasVocals: typeof track.has_vocals === 'boolean' ? track.has_vocals : null,
    energyLevel: text(track.energy_level),
  }
}

/** Accepts numbers too: the document gives no type for `energy_level`, and an id may be a number. */
function text(value: unknown): string | null {
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string') return null
  const trimmed = value.slice(0, MAX_TEXT_LENGTH).trim()
  if (trimmed === '') return null
  // The limit may cut a surrogate pair in two; drop the first half. Cheaper than a pattern: an answer has hundreds.
  const last = trimmed.charCodeAt(trimmed.length - 1)
  return last >= 0xd800 && last <= 0xdbff ? trimmed.slice(0, -1) : trimmed
}

function texts(value: unknown): string[] {
  if (!Array.isArray(value)) return []
  return value
    .slice(0, MAX_LIST_LENGTH)
    .map(text)
    .filter((entry) => entry !== null)
}

function positiveNumber(value: unknown): number | null {
  return typeof value === 'number' && value > 0 && value <= Number.MAX_SAFE_INTEGER ? value : null
}
