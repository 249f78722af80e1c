/** What remote-control.ts answers to. The fields in braces are those of a JSON object in the body. */
export interface Control {
  readonly takes: string
  readonly does: string
}

export const CONTROLS = {
  'GET /calls': { takes: '?offset=0&limit=9', does: 'the searches that came, with what was charged' },
  'GET /summary': { takes: '', does: 'how many came, were paid, were paid twice; the balance' },
  'POST /top-up': { takes: '{ credits }', does: 'adds credits' },
  'POST /credits': { takes: '{ credits }', does: 'sets the balance' },
  'POST /limit': { takes: '{ perMinute }', does: 'sets the calls a minute; null: no limit' },
  'POST /elsewhere': { takes: '{ requests }', does: 'another program on the same key makes so many searches' },
  'POST /fault': { takes: '{ match, does }', does: 'makes searches fail; answers with the id of this fault' },
  'POST /heal': { takes: '{ id }', does: 'ends that fault; without a body all of them' },
  'POST /key': { takes: '{ revoked }', does: 'revokes the key (true) or restores it (false)' },
} as const satisfies Readonly<Record<string, Control>>

export type ControlName = keyof typeof CONTROLS

export function isControl(name: string): name is ControlName {
  return Object.hasOwn(CONTROLS, name)
}

/** One line each, in columns. */
export function controlLines(): string[] {
  return Object.entries<Control>(CONTROLS).map(
    ([name, { takes, does }]) => `${name.padEnd(16)}${takes.padEnd(19)}${does}`,
  )
}
