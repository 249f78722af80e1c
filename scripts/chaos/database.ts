import { setTimeout as sleep } from 'node:timers/promises'
import { mutex } from '../../src/store/engine.js'
import type { PostgresServer } from '../postgres-server.js'

/** What a run keeps its store in. */
export const ENGINES = ['sqlite', 'postgres'] as const
export type EngineName = (typeof ENGINES)[number]

export const DATABASE = 'chaos'

/** PostgreSQL, as somebody with a shell meets it. One blow at a time: each waits for the end of the one before. */
export interface DatabaseVictim {
  restart(how: 'fast' | 'immediate'): Promise<void>
  /** Ends every connection. */
  terminate(): Promise<void>
  /** SIGSTOP for what serves the connections, until what it returns is over. */
  freeze(during: () => Promise<void>): Promise<void>
  /** What the server finds wrong with its own indexes. */
  damage(): Promise<readonly string[]>
}

/** What waited for an answer gets it before the next blow. */
const AFTER_THAW_MS = 500

export function openDatabaseVictim(server: PostgresServer): DatabaseVictim {
  const alone = mutex()
  return {
    restart: (how) => alone(() => server.restart(how)),
    terminate: () => alone(async () => void (await server.query(END_CONNECTIONS))),
    freeze: (during) =>
      alone(async () => {
        const thaw = await server.freeze()
        await during()
        thaw()
        await sleep(AFTER_THAW_MS)
      }),
    damage: async () => {
      try {
        await server.query(CHECK_INDEXES, DATABASE)
        return []
      } catch (error) {
        return [error instanceof Error ? error.message : String(error)]
      }
    },
  }
}

const END_CONNECTIONS = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = '${DATABASE}' and pid <> pg_backend_pid()`

const CHECK_INDEXES = `create extension if not exists amcheck;
  select bt_index_parent_check(indexrelid, true) from pg_index
    join pg_class on pg_class.oid = indrelid
    where relnamespace = 'public'::regnamespace and indisvalid`
