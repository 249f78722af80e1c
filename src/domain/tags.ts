/** A track as documented for POST /search; every field but `id` may be missing in practice. */
export interface Track {
  readonly id: string
  readonly title: string | null
  readonly artist: string | null
  readonly bpm: number | null
  readonly key: string | null
  readonly genre: string | null
  readonly subgenres: readonly string[]
  readonly moods: readonly string[]
  readonly instruments: readonly string[]
  readonly hasVocals: boolean | null
  readonly energyLevel: string | null
}

export interface Tags {
  /** The most frequent; null when no track has one. `key` and `energyLevel` follow the same rule. */
  readonly genre: string | null
  /** The five most frequent, in that order. `moods` and `instruments` follow the same rule. */
  readonly subgenres: readonly string[]
  readonly moods: readonly string[]
  readonly instruments: readonly string[]
  /** The median in beats per minute; for an even count, the mean of the middle two. */
  readonly bpm: number | null
  readonly key: string | null
  readonly energyLevel: string | null
  /** The majority; in a tie, the best-ranked track that has the field. */
  readonly hasVocals: boolean | null
}

/**
 * What an export shows of an answer. It is stored beside the answer with the version of the rule that made it, so
 * that an export need not read the answer. It can always be made from the answer again.
 */
export interface Tagging {
  readonly tags: Tags
  /** Ids in the order of the answer. */
  readonly tracks: readonly string[]
  readonly topTitle: string | null
  readonly topArtist: string | null
}

/**
 * The version of the rule: of `tagging`, and of how `answer.ts` reads a track. Raise it with every change that
 * alters a result: then stored results of older versions are no longer used.
 */
export const TAGS_RULE = 1

/** @returns null for an answer without tracks */
export function tagging(tracks: readonly Track[]): Tagging | null {
  const [top] = tracks
  if (top === undefined) return null
  return {
    tags: deriveTags(tracks),
    tracks: tracks.map((track) => track.id),
    topTitle: top.title,
    topArtist: top.artist,
  }
}

const LIST_LENGTH = 5

/**
 * Summarizes an answer as a few words for its row. A pure function of the tracks, so that a better rule
 * costs no credit. Tracks come best first, so the earlier rank wins a tie. Every track has one vote per
 * word; a track without the field has none.
 * @param tracks in the order of the answer, best first
 */
export function deriveTags(tracks: readonly Track[]): Tags {
  return {
    genre: mostFrequent(tracks.map((track) => track.genre)),
    subgenres: topWords(tracks.map((track) => track.subgenres)),
    moods: topWords(tracks.map((track) => track.moods)),
    instruments: topWords(tracks.map((track) => track.instruments)),
    bpm: median(tracks.map((track) => track.bpm)),
    key: mostFrequent(tracks.map((track) => track.key)),
    energyLevel: mostFrequent(tracks.map((track) => track.energyLevel)),
    hasVocals: mostFrequent(tracks.map((track) => track.hasVocals)),
  }
}

function mostFrequent<T>(values: readonly (T | null)[]): T | null {
  return byFrequency([values])[0] ?? null
}

function topWords(lists: readonly (readonly string[])[]): readonly string[] {
  // One vote per track, however often the track lists the word.
  return byFrequency(lists.map((list) => new Set(list))).slice(0, LIST_LENGTH)
}

/** Each value once, the most frequent first. Sorting is stable, so the one mentioned first wins a tie. */
function byFrequency<T>(lists: readonly Iterable<T | null>[]): T[] {
  const votes = new Map<T, number>()
  for (const list of lists) {
    for (const value of list) if (value !== null) votes.set(value, (votes.get(value) ?? 0) + 1)
  }
  return [...votes].sort(([, a], [, b]) => b - a).map(([value]) => value)
}

function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2
}
