import { setTimeout as sleep } from 'node:timers/promises'
import { mutex } from '../../src/store/engine.js'
import type { PostgresServer } from '../postgres-server.js'

/** Where a run has its store. */
export const ENGINES = ['sqlite', 'postgres'] as const
export type EngineName = (typeof ENGINES)[number]

export const DATABASE = 'chaos'

/** Breaks the PostgreSQL server of a run. One fault at a time: each waits for the end of the one before. */
export interface PostgresControl {
  restart(how: 'fast' | 'immediate'): Promise<void>
  /** Ends every connection. */
  terminate(): Promise<void>
  /** SIGSTOP for all processes that serve connections, until `during` resolves. */
  freeze(during: () => Promise<void>): Promise<void>
  /** Errors that the server finds in its indexes. */
  damage(): Promise<readonly string[]>
}

/** Time for the clients that waited to get their answers before the next fault. */
const AFTER_THAW_MS = 500

export function postgresControl(server: PostgresServer): PostgresControl {
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
