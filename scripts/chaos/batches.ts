import type { Random } from './random.js'

/**
 * One of the batches of a run. Consecutive batches share searches. Each has a row that repeats an id (and so is invalid)
 * and a few rows whose search the API refuses. Some batches are capped, cancelled, or released with `--first` only.
 */
export interface ChaosBatch {
  readonly name: string
  readonly rows: readonly ChaosRow[]
  readonly kind: 'plain' | 'urgent' | 'capped' | 'first look' | 'to be cancelled'
  /** More options of `submit`. */
  readonly options: readonly string[]
}

export interface ChaosRow {
  readonly id: string
  readonly title: string
  readonly mood: string
  /** The query of its search; null: the row is invalid. */
  readonly query: string | null
}

/** The `--query` of every submit. */
export const TEMPLATE = '{title} {mood} music'
/** The simulator refuses every query with this word, until `heal`. */
export const REFUSED_WORD = 'forbidden'

const MOODS = ['calm', 'dark', 'bright', 'epic', 'warm'] as const
const KINDS = ['plain', 'capped', 'urgent', 'to be cancelled', 'first look'] as const
const SHARED = 0.25

/** @param searches about how many different searches all batches need together */
export function chaosBatches(random: Random, count: number, searches: number): readonly ChaosBatch[] {
  const each = Math.max(20, Math.round(searches / count))
  return Array.from({ length: count }, (_, index) => {
    const kind = KINDS[index % KINDS.length] ?? 'plain'
    // Starts with the last quarter of the searches of the batch before.
    const first = Math.max(0, Math.round(index * each - (index === 0 ? 0 : each * SHARED)))
    const needed = (index + 1) * each - first
    const rows = Array.from({ length: Math.round(needed * 1.3) }, (_row, row) => {
      const search = first + (row < needed ? row : random.between(0, needed - 1))
      return rowOf(`b${index + 1}-r${row + 1}`, search)
    })
    const twin = rows[0]
    if (twin !== undefined) rows.push({ ...twin, query: null })
    return { name: `chaos-${index + 1}`, kind, rows, options: optionsOf(kind, needed) }
  })
}

export function catalogText(batch: ChaosBatch): string {
  return `id,title,mood\n${batch.rows.map(({ id, title, mood }) => `${id},${title},${mood}\n`).join('')}`
}

function rowOf(id: string, search: number): ChaosRow {
  const title = search % 40 === 7 ? `${REFUSED_WORD} scene ${search}` : `scene ${search}`
  const mood = MOODS[search % MOODS.length] ?? 'calm'
  return { id, title, mood, query: `${title} ${mood} music` }
}

function optionsOf(kind: ChaosBatch['kind'], searches: number): readonly string[] {
  switch (kind) {
    case 'plain':
    case 'to be cancelled':
      return []
    case 'urgent':
      return ['--priority', 'high']
    case 'capped':
      return ['--max-credits', String(Math.round(searches / 3))]
    case 'first look':
      return ['--first', '15']
    default:
      return kind satisfies never
  }
}
