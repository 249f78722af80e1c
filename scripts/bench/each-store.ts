import { BENCH_ENTRY } from './entry.js'
import { onStage, type RunEnvironment, type StoreName } from './environment.js'
import { type FastServer, startFastServer } from './fast-server.js'
import type { Figure } from './figure.js'

/** A fast server, and on it a new stage for each store. */
export async function onEachStore(
  stores: readonly StoreName[],
  settings: Readonly<Record<string, string>>,
  work: (environment: RunEnvironment, store: StoreName, server: FastServer) => Promise<readonly Figure[]>,
): Promise<Figure[]> {
  const server = await startFastServer(BENCH_ENTRY, 0)
  const figures: Figure[] = []
  try {
    for (const store of stores)
      figures.push(...(await onStage(server.url, settings, (environment) => work(environment, store, server), store)))
  } finally {
    await server.close()
  }
  return figures
}
