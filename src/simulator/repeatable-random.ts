/**
 * A repeatable random number from 0 up to, not including, 1: a hash of the texts. It does not depend on which
 * of ten parallel requests arrived first, as a running generator would.
 */
export function repeatableRandom(...parts: readonly (string | number)[]): number {
  return hash32(parts.join('\u0000')) / 2 ** 32
}

// Not looked up for each character: in Jest's sandbox, that would take most of a test's time.
const { imul } = Math

/** FNV-1a with the final mix of MurmurHash, which spreads similar texts. Unsigned, 32 bits. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
