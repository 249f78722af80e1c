import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for a condition, looking often; says what it waited for when time is up. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { readonly timeoutMs: number; readonly what: string | (() => string); readonly everyMs?: number },
): Promise<void> {
  const deadline = performance.now() + options.timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) {
      const what = typeof options.what === 'string' ? options.what : options.what()
      throw new Error(`waited ${options.timeoutMs} ms for ${what}`)
    }
    await sleep(options.everyMs ?? 20)
  }
}
