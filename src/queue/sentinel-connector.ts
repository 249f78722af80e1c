import type { SentinelConnectionOptions } from 'ioredis'
import { SentinelConnector } from './ioredis.js'

/**
 * ioredis keeps listening to the sentinels for the connection that was lost. Their message about the new primary, which
 * comes while this one is being looked for, would end the client for good ("Connection is closed.").
 */
export class SteadySentinelConnector extends SentinelConnector {
  /** @param options those of a Redis client, from which ioredis makes it */
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
  }

  override connect(...args: Parameters<SentinelConnector['connect']>): ReturnType<SentinelConnector['connect']> {
    // Ends what is left of the lost connection, its subscriptions included.
    this.disconnect()
    return super.connect(...args)
  }
}
