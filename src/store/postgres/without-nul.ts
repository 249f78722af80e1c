/** PostgreSQL takes no NUL in a text; an unreadable answer may have one. */
export function withoutNul(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text
}
