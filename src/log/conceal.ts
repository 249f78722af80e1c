/**
 * Shorter secrets are not replaced: they would match ordinary words, and the replacement would
 * reveal them.
 */
const SHORTEST_SECRET = 4

/** Replaces secrets in a line of JSON: as they are, JSON-escaped, and URL-encoded. */
export function concealer(secrets: readonly string[]): (line: string) => string {
  const forms = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue
    forms.add(JSON.stringify(secret).slice(1, -1)).add(encodeURIComponent(Buffer.from(secret).toString()))
  }
  // Longest first: if one secret contains another, the longer one must be replaced whole.
  const longestFirst = [...forms].sort((a, b) => b.length - a.length)
  return (line) => longestFirst.reduce((text, form) => text.replaceAll(form, '[secret]'), line)
}
