/**
 * Keeps the API key out of everything that a server sends back: an error that quotes the header, a
 * proxy's page that shows the request. Replaced are the key itself, its URL-encoded and base64 forms
 * (at each of the three alignments, so also inside `Bearer …` or a Basic header), the key with some of
 * its characters escaped as JSON may do, and any beginning or end of it of at least half its length,
 * which is what a cut or masked quotation leaves.
 */
export const REPLACEMENT = '[key]'
/** A shorter "key" is a placeholder; replacing it would only spoil words. */
const SHORTEST_KEY = 4
/** In a paid answer, which is data, only what cannot be a word by chance is replaced. */
const SHORTEST_KEY_IN_ANSWERS = 8
const SHORTEST_PART = 8

export function redactKey(text: string, key: string): string {
  return redactor(key)(text)
}

/** The same for many texts: what the key may look like is worked out once. */
export function redactor(key: string): (text: string) => string {
  if (key.length < SHORTEST_KEY) return (text) => text
  const forms = wholeForms(key)
  const escaped = escapedForms(key)
  return (text) => {
    let clean = text.includes('\\') ? text.replace(escaped, REPLACEMENT) : text
    for (const form of forms) clean = clean.replaceAll(form, REPLACEMENT)
    return redactParts(clean, key)
  }
}

/** The same for the body of an answer, which otherwise stays as received to the letter. */
export function redactKeyInAnswer(body: string, key: string, redact = redactor(key)): string {
  return key.length < SHORTEST_KEY_IN_ANSWERS ? body : redact(body)
}

/** Longest first, so that no form leaves a rest of another behind. */
function wholeForms(key: string): string[] {
  const forms = new Set([key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1)])
  for (const form of base64Forms(key)) {
    forms.add(form)
    forms.add(form.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return [...forms].sort((a, b) => b.length - a.length)
}

/** Every character as it is or as JSON may escape it: `\/` (the habit of PHP), `\u002f`. */
function escapedForms(key: string): RegExp {
  const characters = [...key].map((character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')
    const anyCase = code.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
    return `(?:\\\\?${character.replace(/[^\w]/, '\\$&')}|\\\\u${anyCase})`
  })
  return new RegExp(characters.join(''), 'g')
}

/** The characters of a base64 text that depend on the key alone, for each place it can start at. */
function base64Forms(key: string): string[] {
  return [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(key)])
    const start = Math.ceil((offset * 8) / 6)
    const end = Math.floor((bytes.length * 8) / 6)
    return bytes.toString('base64').slice(start, end)
  })
}

function redactParts(text: string, key: string): string {
  const shortest = Math.max(SHORTEST_PART, Math.ceil(key.length / 2))
  // Every longer part holds one of these two: most texts are done with a look for them.
  if (!text.includes(key.slice(0, shortest)) && !text.includes(key.slice(-shortest))) return text
  let clean = text
  for (let length = key.length - 1; length >= shortest; length--) {
    clean = clean.replaceAll(key.slice(0, length), REPLACEMENT).replaceAll(key.slice(-length), REPLACEMENT)
  }
  return clean
}
