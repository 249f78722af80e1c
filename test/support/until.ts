import { setTimeout as sleep } from 'node:timers/promises'

/** A look that is not free takes at most a fifth of the time: tests run side by side. */
const REST_PER_LOOK = 4

/** Waits for a condition, looking often; says what it waited for when time is up. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { readonly timeoutMs: number; readonly what: string | (() => string); readonly everyMs?: number },
): Promise<void> {
  const deadline = performance.now() + options.timeoutMs
  for (;;) {
    const lookedAt = performance.now()
    if (await condition()) return
    if (performance.now() > deadline) {
      const what = typeof options.what === 'string' ? options.what : options.what()
      throw new Error(`waited ${options.timeoutMs} ms for ${what}`)
    }
    await sleep(Math.max(options.everyMs ?? 20, REST_PER_LOOK * (performance.now() - lookedAt)))
  }
}
