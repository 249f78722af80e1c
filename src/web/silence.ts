/** A page that waits for Redis would hang without a message. After this time it gets an error. */
export const ANSWER_WITHIN_MS = 5_000
export const SILENT = 'Redis does not answer. Check that it is running; the page reloads by itself.'

export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
}
