/** How often a worker sends a heartbeat to Redis. */
export const HEARTBEAT_INTERVAL_MS = 4000
/** A worker counts as alive for this long after a heartbeat. */
export const HEARTBEAT_TTL_MS = 15_000
