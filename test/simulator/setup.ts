import { SIMULATOR_KEY, type SimulatorOptions } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'

/** A simulator and a plain caller of it, closed whatever happens. */
export interface Setup {
  readonly simulator: Simulator
  search(body: unknown, key?: string | null): Promise<Answer>
  get(path: string, key?: string | null): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export async function withSimulator(
  options: Partial<SimulatorOptions>,
  use: (setup: Setup) => Promise<void>,
): Promise<void> {
  const simulator = await startSimulator({ perMinute: null, noMatchRate: 0, ...options })
  const call = async (path: string, init: RequestInit, key: string | null): Promise<Answer> => {
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
    const response = await fetch(simulator.url + path, { ...init, headers, signal: AbortSignal.timeout(40_000) })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  try {
    await use({
      simulator,
      search: (body, key = SIMULATOR_KEY) =>
        call('/search', { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }, key),
      get: (path, key = SIMULATOR_KEY) => call(path, {}, key),
    })
  } finally {
    await simulator.close()
  }
}

/** Asks again until the condition holds. @throws Error after forty seconds. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 40_000
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`waited 40 s for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
