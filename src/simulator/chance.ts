/**
 * Chance that can be repeated: a number from 0 up to, not including, 1 that follows from the texts
 * alone. Drawn per request instead of from a running generator, so that it does not depend on which of
 * ten parallel requests arrived first.
 */
export function chance(...parts: readonly (string | number)[]): number {
  return hash32(parts.join('\u0000')) / 2 ** 32
}

/** FNV-1a with murmur's finish, which spreads neighbouring texts. Unsigned, 32 bits. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
