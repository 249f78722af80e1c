/** What the system, SQLite or a library calls an error (`ENOENT`, `SQLITE_BUSY`); empty where it has no code. */
export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}
