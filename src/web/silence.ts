/** A page that hangs because Redis is away says nothing; after this long it is told so. */
export const ANSWER_WITHIN_MS = 5_000
export const SILENT = 'Redis does not answer. Check that it runs; the page goes on by itself.'

export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
}
