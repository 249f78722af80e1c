import { readFileSync } from 'node:fs'
import { hash32, repeatableRandom } from './repeatable-random.js'
import type { ReceivedSearch } from './search-request.js'

/**
 * The tracks of the answers. The words of a query choose a genre and a mood. Each such pair has a shelf of
 * sixty tracks, created on first use and kept as JSON text, so that an answer only joins texts. All simulators of a
 * process share the shelves of their seed. A ranking takes tracks from the chosen shelf and from two others, so that
 * the tags of one answer vary, as real ones do. The same seed and search give the same tracks.
 */
export interface TrackLibrary {
  /** The tracks' JSON texts, best match first. */
  find(search: ReceivedSearch): readonly string[]
}

/** API document, the tracks of POST /search. */
interface WireTrack {
  id: string
  title: string
  artist: string
  duration_seconds: number
  bpm: number
  key: string
  genre: string
  subgenres: string[]
  moods: string[]
  has_vocals: boolean
  energy_level: string
  instruments: string[]
  preview_url: string
}

/** A genre or mood. `words`: what people type for it, the name first, so that a query gets plausible tracks. */
interface WordLists {
  /** The words of invented titles and artists. */
  readonly titleStarts: readonly string[]
  readonly titleEnds: readonly string[]
  readonly firstNames: readonly string[]
  readonly lastNames: readonly string[]
  readonly genres: readonly Genre[]
  readonly moods: readonly Mood[]
}

interface Genre {
  readonly name: string
  readonly words: readonly string[]
  readonly subgenres: readonly string[]
  readonly instruments: readonly string[]
  readonly bpm: readonly [slowest: number, fastest: number]
  /** Share of tracks with vocals. */
  readonly vocals: number
}

interface Mood {
  readonly name: string
  readonly words: readonly string[]
  /** Moods that often occur with it. */
  readonly near: readonly string[]
  readonly energy: 'low' | 'medium' | 'high'
  readonly minor: boolean
}

// Read, not imported: Node 20 warns of imported JSON.
const { titleStarts, titleEnds, firstNames, lastNames, genres, moods }: WordLists = JSON.parse(
  readFileSync(new URL('word-lists.json', import.meta.url), 'utf8'),
)

interface Shelved {
  readonly track: WireTrack
  readonly json: string
}

const SHELF_SIZE = 60
/** Which of the three shelves each rank comes from: chosen genre and mood, other mood, other genre. */
const RANKING = [0, 0, 1, 0, 2] as const

const shelves = new Map<string, readonly Shelved[]>()

export function createTrackLibrary(seed: number, noMatchRate: number, tracksPerAnswer: number): TrackLibrary {
  const shelf = (genre: Genre, mood: Mood): readonly Shelved[] => {
    const name = `${seed}/${genre.name}/${mood.name}`
    const known = shelves.get(name)
    if (known !== undefined) return known
    const made = Array.from({ length: SHELF_SIZE }, (_, index) => makeTrack(seed, genre, mood, index))
    shelves.set(name, made)
    return made
  }
  return {
    find(search) {
      // The offset does not count: all pages of a search are from one ranking.
      const question = `${seed} ${search.query} ${JSON.stringify(search.filters)}`
      if (repeatableRandom('no match', question) < noMatchRate) return []
      const hash = hash32(question)
      const { genre, otherGenre, mood, otherMood } = choose(search, hash)
      const sources = [shelf(genre, mood), shelf(genre, otherMood), shelf(otherGenre, mood)] as const
      const matches = 30 + (hash % 71)
      const wanted = Math.min(search.limit, tracksPerAnswer)
      const accepts = filterOf(search.filters)
      const found: string[] = []
      const taken = [hash % SHELF_SIZE, hash % SHELF_SIZE, hash % SHELF_SIZE]
      let skipped = 0
      for (let rank = 0; rank < matches && found.length < wanted; rank += 1) {
        const source = RANKING[rank % RANKING.length] ?? 0
        const place = taken[source] ?? 0
        taken[source] = (place + 1) % SHELF_SIZE
        const shelved = sources[source][place]
        if (shelved === undefined || (accepts !== null && !accepts(shelved.track))) continue
        if (skipped < search.offset) skipped += 1
        else found.push(shelved.json)
      }
      return found
    },
  }
}

function choose(search: ReceivedSearch, hash: number) {
  const words = new Set(search.query.toLowerCase().split(/[^\p{L}\p{N}&]+/u))
  const genre = named(genres, search.filters.genres) ?? closest(genres, words) ?? pick(genres, hash)
  const mood = named(moods, search.filters.moods) ?? closest(moods, words) ?? pick(moods, hash >>> 8)
  const otherMood = moods.find((other) => other !== mood && mood.near.includes(other.name)) ?? mood
  const otherGenre = pick(
    genres.filter((other) => other !== genre),
    hash >>> 16,
  )
  return { genre, otherGenre, mood, otherMood }
}

/** The entry that most of the words match; null: none does. */
function closest<T extends { readonly words: readonly string[] }>(entries: readonly T[], words: Set<string>): T | null {
  let best: T | null = null
  let most = 0
  for (const entry of entries) {
    let hits = 0
    // Its name weighs more than its other words.
    for (const [place, word] of entry.words.entries()) if (words.has(word)) hits += place === 0 ? 2 : 1
    if (hits > most) {
      most = hits
      best = entry
    }
  }
  return best
}

function named<T extends { readonly name: string }>(entries: readonly T[], wanted: unknown): T | null {
  if (!Array.isArray(wanted)) return null
  return entries.find((entry) => wanted.some((name) => String(name).toLowerCase() === entry.name)) ?? null
}

function filterOf(filters: Readonly<Record<string, unknown>>): ((track: WireTrack) => boolean) | null {
  const { has_vocals, min_bpm, max_bpm } = filters
  if (has_vocals === undefined && min_bpm === undefined && max_bpm === undefined) return null
  return (track) =>
    (has_vocals === undefined || track.has_vocals === has_vocals) &&
    track.bpm >= Number(min_bpm ?? 0) &&
    track.bpm <= Number(max_bpm ?? 1000)
}

function makeTrack(seed: number, genre: Genre, mood: Mood, index: number): Shelved {
  const draw = (what: string) => Math.floor(repeatableRandom(seed, genre.name, mood.name, index, what) * 2 ** 32)
  const [slowest, fastest] = genre.bpm
  const track: WireTrack = {
    id: `trk_${draw('id').toString(16).padStart(8, '0')}${index.toString(36).padStart(2, '0')}`,
    title: `${pick(titleStarts, draw('title'))} ${pick(titleEnds, draw('title 2'))}`,
    artist: `${pick(firstNames, draw('artist'))} ${pick(lastNames, draw('artist 2'))}`,
    duration_seconds: 75 + (draw('duration') % 180),
    bpm: slowest + (draw('bpm') % (fastest - slowest + 1)),
    key: `${pick(['C', 'D', 'E', 'F', 'G', 'A', 'B', 'Bb', 'Eb', 'F#'], draw('key'))} ${mood.minor ? 'minor' : 'major'}`,
    genre: genre.name,
    subgenres: some(genre.subgenres, draw('subgenres'), 2),
    moods: [mood.name, ...some(mood.near, draw('moods'), 2)],
    has_vocals: repeatableRandom(seed, genre.name, mood.name, index, 'vocals') < genre.vocals,
    energy_level: draw('energy') % 5 === 0 ? 'medium' : mood.energy,
    instruments: some(genre.instruments, draw('instruments'), 3),
    preview_url: `https://audio.example/previews/${draw('id').toString(16)}.mp3`,
  }
  return { track, json: JSON.stringify(track) }
}

/** One or more consecutive entries of the list, at most `most`. */
function some(list: readonly string[], draw: number, most: number): string[] {
  const count = 1 + (draw % most)
  return Array.from({ length: Math.min(count, list.length) }, (_, step) => pick(list, (draw >>> 4) + step))
}

function pick<T>(list: readonly T[], draw: number): T {
  const entry = list[draw % list.length]
  if (entry === undefined) throw new RangeError('a list to pick from is empty')
  return entry
}
