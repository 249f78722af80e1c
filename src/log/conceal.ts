/** Shorter secrets are not replaced: they would match ordinary words, and so give themselves away. */
const SHORTEST_SECRET = 4

/** Takes secrets out of a line of JSON: as they are, as JSON escapes them, and as an address encodes them. */
export function concealer(secrets: readonly string[]): (line: string) => string {
  const forms = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue
    forms.add(JSON.stringify(secret).slice(1, -1)).add(encodeURIComponent(Buffer.from(secret).toString()))
  }
  // Longest first: a secret that contains another must not be left half.
  const longestFirst = [...forms].sort((a, b) => b.length - a.length)
  return (line) => longestFirst.reduce((text, form) => text.replaceAll(form, '[secret]'), line)
}
