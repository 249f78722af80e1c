/**
 * The search and round of a job. The three parts make up the job id. So a late job, whose search was
 * retried or requeued in between, differs from the current one by its id.
 */
export interface SearchRef {
  /** 32 hex digits, see request.ts. */
  readonly fingerprint: string
  /** Raised only by `--max-age`, which makes the same search again without touching old batches. */
  readonly generation: number
  /** Raised by every retry of a dead letter and every requeue. */
  readonly round: number
}

/** `s-<fingerprint>-<generation>-<round>`. BullMQ silently ignores an add with an existing id, so every round has its own. */
export function jobIdOf(ref: SearchRef): string {
  return `s-${ref.fingerprint}-${ref.generation}-${ref.round}`
}

/** The id of the same round in the dead-letters queue. */
export function deadLetterIdOf(ref: SearchRef): string {
  return `d-${ref.fingerprint}-${ref.generation}-${ref.round}`
}

/** Parses either kind of id; null for a job that is not ours (added manually). */
export function parseJobId(id: string): SearchRef | null {
  const match = /^[sd]-([0-9a-f]{32})-(\d{1,9})-(\d{1,9})$/.exec(id)
  if (match === null) return null
  const [, fingerprint = '', generation, round] = match
  return { fingerprint, generation: Number(generation), round: Number(round) }
}
