/**
 * Which life of which search a job stands for. The three parts make the job id, so that a job that
 * comes late (its search was retried or put back meanwhile) is told from the current one by its name.
 */
export interface SearchRef {
  /** 32 hex digits, see request.ts. */
  readonly fingerprint: string
  /** Which asking of this question: raised only by `--max-age`, which asks again without touching old batches. */
  readonly generation: number
  /** Which life of this asking: raised by every retry of a dead letter and every put-back. */
  readonly round: number
}

/** `s-<fingerprint>-<generation>-<round>`. BullMQ swallows a second add of a kept id in silence, so every life has its own. */
export function jobIdOf(ref: SearchRef): string {
  return `s-${ref.fingerprint}-${ref.generation}-${ref.round}`
}

/** The same life in the dead-letters queue. */
export function deadLetterIdOf(ref: SearchRef): string {
  return `d-${ref.fingerprint}-${ref.generation}-${ref.round}`
}

/** Reads either kind of id back; null for a job that is not ours (somebody added it by hand). */
export function parseJobId(id: string): SearchRef | null {
  const match = /^[sd]-([0-9a-f]{32})-(\d{1,9})-(\d{1,9})$/.exec(id)
  if (match === null) return null
  const [, fingerprint = '', generation, round] = match
  return { fingerprint, generation: Number(generation), round: Number(round) }
}
