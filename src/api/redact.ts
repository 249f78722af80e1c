import { base64Forms, type KeyEcho, keyEcho, LONGEST_SURE_KEY } from './key-echo.js'

/**
 * Redacts the API key from everything that a server sends back, such as an error that quotes the header or a
 * proxy's page that shows the request. The whole key, and its URL-encoded or base64 form, is replaced in
 * place. A text that contains a long piece of the key, or another spelling of it (see key-echo.ts), is
 * removed entirely; in JSON, only that value.
 */

const REPLACEMENT = '[key]'
const WITHHELD = '[withheld: it repeats the API key]'
/** A shorter "key" is a placeholder; replacing it would only damage ordinary words. */
const SHORTEST_KEY = 4
/** A paid answer is data, so only what cannot be an ordinary word is replaced there. */
const SHORTEST_KEY_IN_ANSWERS = 8
/** In letters and digits. A shorter key could match by chance across the words of a title. */
const SHORTEST_KEY_SPELLED_IN_ANSWERS = 12
const SHORTEST_KEY_SPELLED = 8

export interface RedactableKey {
  readonly text: string
  redact(text: string): string
  /** The same for the body of an answer, which is otherwise left exactly as received. */
  redactAnswer(body: string): string
}

/** Computes the key's spellings once, for many texts. */
export function redactableKey(text: string): RedactableKey {
  const asIs = (body: string): string => body
  return {
    text,
    redact: redactor(text, SHORTEST_KEY_SPELLED),
    redactAnswer: text.length < SHORTEST_KEY_IN_ANSWERS ? asIs : redactor(text, SHORTEST_KEY_SPELLED_IN_ANSWERS),
  }
}

function redactor(key: string, shortestSpelled: number): (text: string) => string {
  if (key.length < SHORTEST_KEY) return (text) => text
  const forms = wholeForms(key)
  const escaped = escapedForms(key)
  const echoes = keyEcho(key, shortestSpelled)
  return (text) => {
    if (text.length < SHORTEST_KEY) return text
    // Every form of the key is an echo too, and looking for echoes is several times as fast.
    if (echoes !== null && key.length <= LONGEST_SURE_KEY && !echoes(text)) return text
    let clean = text.includes('\\') ? text.replace(escaped, REPLACEMENT) : text
    for (const form of forms) clean = clean.replaceAll(form, REPLACEMENT)
    return echoes?.(clean) ? withhold(clean, echoes) : clean
  }
}

/** In JSON, only values that contain the key are removed: the tracks beside them are paid for. */
function withhold(text: string, echoes: KeyEcho): string {
  let clean: string
  try {
    clean = JSON.stringify(withholdIn(JSON.parse(text), echoes))
  } catch {
    return WITHHELD
  }
  return echoes(clean) ? WITHHELD : clean
}

function withholdIn(value: unknown, echoes: KeyEcho): unknown {
  if (typeof value === 'string') return echoes(value) ? WITHHELD : value
  if (typeof value !== 'object' || value === null) return value
  if (!Array.isArray(value)) {
    const entries = Object.entries(value)
    return Object.fromEntries(entries.map(([name, inner]) => [withholdIn(name, echoes), withholdIn(inner, echoes)]))
  }
  const list = value.map((inner) => withholdIn(inner, echoes))
  // A list may spell the key in pieces: groups of letters, or character codes.
  const isPlain = list.every((inner) => typeof inner !== 'object')
  return isPlain && echoes(list.join(' ')) ? [WITHHELD] : list
}

/** Longest first, so that replacing one form leaves no remainder of another. */
function wholeForms(key: string): string[] {
  const forms = new Set([key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1)])
  for (const form of base64Forms(Buffer.from(key))) {
    forms.add(form)
    forms.add(form.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return [...forms].sort((a, b) => b.length - a.length)
}

/** Matches every character plain or as JSON may escape it: `\/` (as PHP does), `\u002f`. */
function escapedForms(key: string): RegExp {
  const characters = [...key].map((character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')
    const anyCase = code.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
    return `(?:\\\\?${character.replace(/[^\w]/, '\\$&')}|\\\\u${anyCase})`
  })
  return new RegExp(characters.join(''), 'g')
}
