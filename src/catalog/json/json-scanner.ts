type Scan =
  | { readonly kind: 'end'; readonly at: number }
  | { readonly kind: 'damage'; readonly at: number }
  /** The end is not in this text. */
  | { readonly kind: 'more' }

export type Scanner = ReturnType<typeof createScanner>

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end'

const MORE: Scan = { kind: 'more' }
/** Found by native searches, since most of a catalog is text in strings. */
const STRING_STOP = /["\\\n]/g
const WORD_END = /[,:{}[\]" \n\r\t]/g

/** @param pattern global, for one character */
function indexOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex - 1 : -1
}

/**
 * Finds where a JSON value ends, in text that comes in pieces. Numbers and words are skipped: the parser
 * checks them later. A strict scanner stops where the text cannot be JSON any more. A loose one follows only
 * brackets and strings, so it finds the end of a value with a mistake inside, such as a surplus comma.
 * @param start where the value begins in the text
 */
export function createScanner(start: number, isStrict: boolean) {
  let at = start
  let expected: Expected = 'value'
  let isInString = false
  let isInWord = false
  const open: string[] = []

  const damage = (): Scan => ({ kind: 'damage', at })

  /** A value is complete. */
  const close = (): Scan | null => {
    expected = ', or end'
    return open.length === 0 ? { kind: 'end', at } : null
  }

  const scanString = (text: string): Scan | null => {
    for (;;) {
      const stop = indexOf(STRING_STOP, text, at)
      at = stop === -1 ? text.length : stop
      switch (text[at]) {
        case '"':
          isInString = false
          at++
          if (expected !== 'key' && expected !== 'key or }') return close()
          expected = ':'
          return null
        case '\n':
          return damage()
        case '\\':
          if (at + 1 === text.length) return MORE
          at += 2
          break
        default:
          return MORE
      }
    }
  }

  const scanWord = (text: string): Scan | null => {
    const end = indexOf(WORD_END, text, at)
    at = end === -1 ? text.length : end
    if (end === -1) return MORE
    isInWord = false
    return close()
  }

  const opened = (character: string): Scan | null => {
    if (isStrict && expected !== 'value' && expected !== 'value or ]') return damage()
    open.push(character)
    expected = character === '{' ? 'key or }' : 'value or ]'
    at++
    return null
  }

  const closed = (character: string): Scan | null => {
    const isMatching = open.at(-1) === (character === '}' ? '{' : '[')
    const isAllowed = expected === ', or end' || expected === (character === '}' ? 'key or }' : 'value or ]')
    if (!isMatching || (isStrict && !isAllowed)) return damage()
    open.pop()
    at++
    return close()
  }

  const separator = (character: ',' | ':'): Scan | null => {
    const isAllowed = character === ',' ? expected === ', or end' && open.length > 0 : expected === ':'
    if (isStrict && !isAllowed) return damage()
    expected = character === ',' && open.at(-1) === '{' ? 'key' : 'value'
    at++
    return null
  }

  const step = (text: string): Scan | null => {
    const character = text[at] ?? ''
    switch (character) {
      case '{':
      case '[':
        return opened(character)
      case '}':
      case ']':
        return closed(character)
      case ',':
      case ':':
        return separator(character)
      case '"':
        if (isStrict && (expected === ':' || expected === ', or end')) return damage()
        isInString = true
        at++
        return null
      case ' ':
      case '\n':
      case '\r':
      case '\t':
        at++
        return null
      default:
        if (isStrict && expected !== 'value' && expected !== 'value or ]') return damage()
        isInWord = true
        return null
    }
  }

  return {
    /** Tells the scanner that the caller has removed this many characters from the start of the text. */
    forget: (characters: number): void => {
      at -= characters
    },
    /** @param text all text so far: what earlier calls got, and more */
    scan(text: string): Scan {
      while (at < text.length || isInWord) {
        const found = isInString ? scanString(text) : isInWord ? scanWord(text) : step(text)
        if (found !== null) return found
      }
      return MORE
    },
  }
}
