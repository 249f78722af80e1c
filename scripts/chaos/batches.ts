import type { Random } from './random.js'

/**
 * The catalogs of a run. Neighbours share searches, every one has a row that repeats an id (and so is
 * invalid) and a few that the API refuses; some are capped, some cancelled, some only released for a look.
 */
export interface ChaosBatch {
  readonly name: string
  readonly rows: readonly ChaosRow[]
  readonly kind: 'plain' | 'urgent' | 'capped' | 'first look' | 'to be cancelled'
  /** For `submit`. */
  readonly options: readonly string[]
}

export interface ChaosRow {
  readonly id: string
  readonly title: string
  readonly mood: string
  /** What it asks; null for a row that cannot ask. */
  readonly query: string | null
}

/** What `submit --query` is given. */
export const TEMPLATE = '{title} {mood} music'
/** Questions with this word are refused by the simulator until the end. */
export const REFUSED_WORD = 'forbidden'

const MOODS = ['calm', 'dark', 'bright', 'epic', 'warm'] as const
const KINDS = ['plain', 'capped', 'urgent', 'to be cancelled', 'first look'] as const
const SHARED = 0.25

/** @param questions how many different searches all of them need together, about */
export function chaosBatches(random: Random, count: number, questions: number): readonly ChaosBatch[] {
  const each = Math.max(20, Math.round(questions / count))
  return Array.from({ length: count }, (_, index) => {
    const kind = KINDS[index % KINDS.length] ?? 'plain'
    // The last quarter of the one before is asked again.
    const first = Math.max(0, Math.round(index * each - (index === 0 ? 0 : each * SHARED)))
    const asked = (index + 1) * each - first
    const rows = Array.from({ length: Math.round(asked * 1.3) }, (_row, row) => {
      const question = first + (row < asked ? row : random.between(0, asked - 1))
      return rowOf(`b${index + 1}-r${row + 1}`, question)
    })
    const twin = rows[0]
    if (twin !== undefined) rows.push({ ...twin, query: null })
    return { name: `chaos-${index + 1}`, kind, rows, options: optionsOf(kind, asked) }
  })
}

export function catalogText(batch: ChaosBatch): string {
  return `id,title,mood\n${batch.rows.map(({ id, title, mood }) => `${id},${title},${mood}\n`).join('')}`
}

function rowOf(id: string, question: number): ChaosRow {
  const title = question % 40 === 7 ? `${REFUSED_WORD} scene ${question}` : `scene ${question}`
  const mood = MOODS[question % MOODS.length] ?? 'calm'
  return { id, title, mood, query: `${title} ${mood} music` }
}

function optionsOf(kind: ChaosBatch['kind'], questions: number): readonly string[] {
  switch (kind) {
    case 'plain':
    case 'to be cancelled':
      return []
    case 'urgent':
      return ['--priority', 'high']
    case 'capped':
      return ['--max-credits', String(Math.round(questions / 3))]
    case 'first look':
      return ['--first', '15']
    default:
      return kind satisfies never
  }
}
