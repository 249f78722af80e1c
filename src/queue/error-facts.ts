/** What an error says about itself, whoever made it: errors of the system carry a `code`. Empty where it says nothing. */
export function factsOf(error: unknown): { readonly code: string; readonly message: string; readonly name: string } {
  const { code, message, name } = Object(error) as Record<string, unknown>
  return { code: text(code), message: text(message), name: text(name) }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
