export const LONGEST_LABEL = 200

/** Checks a name or a reason, which must fit on one line of a table. Null when it is not valid. */
export function readLabel(text: unknown): string | null {
  const plain = typeof text === 'string' ? text.trim() : ''
  return plain !== '' && plain.length <= LONGEST_LABEL && !/\p{Cc}/u.test(plain) ? plain : null
}
