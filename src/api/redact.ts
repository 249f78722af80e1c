import { base64Forms, type KeyEcho, keyEcho } from './key-echo.js'

/**
 * Keeps the API key out of everything that a server sends back: an error that quotes the header, a
 * proxy's page that shows the request. Where the whole key stands, or its URL-encoded or base64 form,
 * that place alone is replaced. A text that repeats a long piece of it, or spells it in another way
 * (see key-echo.ts), is withheld whole; in JSON, that is the single value.
 */
const REPLACEMENT = '[key]'
const WITHHELD = '[withheld: it repeats the API key]'
/** A shorter "key" is a placeholder; replacing it would only spoil words. */
const SHORTEST_KEY = 4
/** In a paid answer, which is data, only what cannot be a word by chance is replaced. */
const SHORTEST_KEY_IN_ANSWERS = 8
/** In letters and digits. A shorter one may be found across the words of a title. */
const SHORTEST_KEY_SPELLED_IN_ANSWERS = 12
const SHORTEST_KEY_SPELLED = 8

export interface RedactableKey {
  readonly text: string
  redact(text: string): string
  /** The same for the body of an answer, which otherwise stays as received to the letter. */
  redactAnswer(body: string): string
}

/** What the key may look like is worked out once, for many texts. */
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
    let clean = text.includes('\\') ? text.replace(escaped, REPLACEMENT) : text
    for (const form of forms) clean = clean.replaceAll(form, REPLACEMENT)
    return echoes(clean) ? withhold(clean, echoes) : clean
  }
}

/** Of JSON only the values that repeat the key: the tracks beside them are paid for. */
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
  // The key in pieces: groups of letters, or the codes of its characters.
  const isPlain = list.every((inner) => typeof inner !== 'object')
  return isPlain && echoes(list.join(' ')) ? [WITHHELD] : list
}

/** Longest first, so that no form leaves a rest of another behind. */
function wholeForms(key: string): string[] {
  const forms = new Set([key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1)])
  for (const form of base64Forms(Buffer.from(key))) {
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
