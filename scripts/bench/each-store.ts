import { type RunEnvironment, type StoreName, withEnvironment } from './environment.js'
import { type FastServer, startFastServer } from './fast-server.js'
import type { Figure } from './figure.js'

/** Runs `work` once for each store, each time in a new environment, against one fast server. */
export async function onEachStore(
  stores: readonly StoreName[],
  settings: Readonly<Record<string, string>>,
  work: (environment: RunEnvironment, store: StoreName, server: FastServer) => Promise<readonly Figure[]>,
): Promise<Figure[]> {
  const server = await startFastServer(0)
  const figures: Figure[] = []
  try {
    for (const store of stores)
      figures.push(
        ...(await withEnvironment(server.url, settings, (environment) => work(environment, store, server), store)),
      )
  } finally {
    await server.close()
  }
  return figures
}
