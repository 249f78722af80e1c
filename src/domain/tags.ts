import type { Track } from './outcome.js'

/**
 * What an answer says about its row, as a few words: a pure function of the tracks, so that a better
 * rule costs no credit. Tracks come best first, so wherever counts are equal the earlier rank wins.
 * Every track has one vote per word; a track that does not say has none.
 */
export interface Tags {
  /** The most frequent; null when no track names one. So are `key` and `energyLevel`. */
  readonly genre: string | null
  /** The five most frequent, most frequent first. So are `moods` and `instruments`. */
  readonly subgenres: readonly string[]
  readonly moods: readonly string[]
  readonly instruments: readonly string[]
  /** The median in beats a minute; the mean of the middle two when their number is even. */
  readonly bpm: number | null
  readonly key: string | null
  readonly energyLevel: string | null
  /** The majority; in a tie, the best-ranked track that says. */
  readonly hasVocals: boolean | null
}

const LIST_LENGTH = 5

/** @param tracks in the order of the answer, best first */
export function deriveTags(tracks: readonly Track[]): Tags {
  return {
    genre: mostFrequent(tracks.map((track) => track.genre)),
    subgenres: fiveMostFrequent(tracks.map((track) => track.subgenres)),
    moods: fiveMostFrequent(tracks.map((track) => track.moods)),
    instruments: fiveMostFrequent(tracks.map((track) => track.instruments)),
    bpm: median(tracks.map((track) => track.bpm)),
    key: mostFrequent(tracks.map((track) => track.key)),
    energyLevel: mostFrequent(tracks.map((track) => track.energyLevel)),
    hasVocals: mostFrequent(tracks.map((track) => track.hasVocals)),
  }
}

/** A Map keeps the order of first mention and the first of equals stays: that is the rank breaking the tie. */
function mostFrequent<T>(values: readonly (T | null)[]): T | null {
  const votes = new Map<T, number>()
  for (const value of values) if (value !== null) votes.set(value, (votes.get(value) ?? 0) + 1)
  let winner: T | null = null
  let most = 0
  for (const [value, count] of votes) {
    if (count <= most) continue
    winner = value
    most = count
  }
  return winner
}

function fiveMostFrequent(lists: readonly (readonly string[])[]): readonly string[] {
  const votes = new Map<string, number>()
  for (const list of lists) {
    // One vote a track, however often it names the word.
    for (const word of new Set(list)) votes.set(word, (votes.get(word) ?? 0) + 1)
  }
  // Sorting is stable: words of equal count stay in the order of first mention.
  return [...votes]
    .sort(([, a], [, b]) => b - a)
    .slice(0, LIST_LENGTH)
    .map(([word]) => word)
}

function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2
}
