/** Progress on stderr: one line, redrawn, on a terminal; elsewhere a line per action, and a summary every ten seconds. */
export interface Progress {
  say(text: string): void
  /** An action begins. Printed only where there is no terminal. */
  step(line: string): void
  show(text: string): void
  clear(): void
}

const PLAIN_MS = 10_000

export function openProgress(stream: { readonly isTTY?: boolean; write(text: string): unknown }): Progress {
  const onTerminal = stream.isTTY === true
  const startedAt = performance.now()
  let plainAt = startedAt + PLAIN_MS
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`
  return {
    say: (text) => void stream.write(`${onTerminal ? '\r\x1b[K' : ''}${text}\n`),
    step: (line) => {
      if (!onTerminal) stream.write(`${line}\n`)
    },
    show: (text) => {
      if (onTerminal) stream.write(`\r\x1b[K${seconds()}: ${text}`)
      else if (performance.now() >= plainAt) {
        plainAt = performance.now() + PLAIN_MS
        stream.write(`${seconds()}: ${text}\n`)
      }
    },
    clear: () => {
      if (onTerminal) stream.write('\r\x1b[K')
    },
  }
}
