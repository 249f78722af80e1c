import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresServer } from '../postgres-server.js'

/** What a run keeps its store in. */
export const ENGINES = ['sqlite', 'postgres'] as const
export type EngineName = (typeof ENGINES)[number]

export const DATABASE = 'chaos'

/** PostgreSQL, as somebody with a shell meets it. One blow at a time: false while another one lasts. */
export interface DatabaseVictim {
  restart(how: 'fast' | 'immediate'): Promise<boolean>
  /** Ends every connection. */
  terminate(): Promise<boolean>
  /** SIGSTOP for what serves the connections, until `lasts` is over. */
  freeze(lasts: Promise<void>): Promise<boolean>
  /** What the server finds wrong with its own indexes. */
  damage(): Promise<readonly string[]>
}

/** What waited for an answer gets it before the next blow. */
const AFTER_THAW_MS = 500

export function openDatabaseVictim(server: PostgresServer): DatabaseVictim {
  let isBusy = false
  async function alone(blow: () => Promise<unknown>): Promise<boolean> {
    if (isBusy) return false
    isBusy = true
    try {
      await blow()
      return true
    } finally {
      isBusy = false
    }
  }
  return {
    restart: (how) => alone(() => server.restart(how)),
    terminate: () => alone(() => server.query(END_CONNECTIONS)),
    freeze: (lasts) =>
      alone(async () => {
        const thaw = await server.freeze()
        await lasts
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
