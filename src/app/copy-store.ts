import { resolve } from 'node:path'
import { postgresUrl } from '../config/readers.js'
import type { Settings } from '../config/settings.js'
import { RefusedError, UsageError } from '../domain/errors.js'
import { pluralize } from '../domain/format.js'
import { silentLogger } from '../domain/logger.js'
import { type Copied, copyStore } from '../store/copy.js'
import type { OpenOptions } from '../store/open-store.js'
import { withCleanup } from './cleanup.js'
import { openConfiguredStore, openRunningQueue, storeAddress } from './parts.js'

/**
 * Copies the configured store to another database, for good.
 * @param to a `postgres://` address, or the path of a new SQLite file
 * @throws RefusedError while a worker or a submit uses the store, or when the target is not empty
 */
export async function copyConfiguredStore(
  settings: Settings,
  to: string,
  progress: (table: string, rows: number) => void,
): Promise<Copied> {
  const log = silentLogger
  const target = targetOf(settings, to)
  return withCleanup(async (cleanup) => {
    const store = await openConfiguredStore(settings, log, cleanup)
    const queue = await openRunningQueue(settings, cleanup)
    return copyStore({
      from: { ...storeAddress(settings), log },
      to: { ...target, log },
      now: Date.now(),
      progress,
      refuseIfUsed: async () => {
        const isOurs = queue !== null && (await queue.registry.owner()) === store.id
        const workers = isOurs ? await queue.registry.workers() : 0
        if (workers > 0)
          throw new RefusedError(
            `${pluralize(workers, 'worker')} ${workers === 1 ? 'uses' : 'use'} the store: run \`trackyard-batch down\` first. Nothing was copied.`,
          )
      },
    })
  })
}

function targetOf(settings: Settings, to: string): Pick<OpenOptions, 'path' | 'database'> {
  if (!/^postgres(ql)?:/.test(to)) return { path: resolve(to) }
  const read = postgresUrl(to)
  if (!('value' in read)) throw new UsageError(`--to: expected ${read.expected}, found something else (not shown).`)
  return { ...storeAddress(settings), database: { url: read.value.reveal(), ca: settings.databaseCa } }
}
