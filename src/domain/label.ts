export const LONGEST_LABEL = 200

/** A name or a reason stands in one line of a table, so it is one line. Null: it cannot be one. */
export function readLabel(text: unknown): string | null {
  const plain = typeof text === 'string' ? text.trim() : ''
  return plain !== '' && plain.length <= LONGEST_LABEL && !/\p{Cc}/u.test(plain) ? plain : null
}
