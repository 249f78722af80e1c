/** The facts of an error of any origin; empty strings for what it lacks. System errors have a `code`. */
export function factsOf(error: unknown): { readonly code: string; readonly message: string; readonly name: string } {
  const { code, message, name } = Object(error) as Record<string, unknown>
  return { code: text(code), message: text(message), name: text(name) }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
