/**
 * Locks and timeouts of seconds, so that a recovery takes seconds, and a machine that is busy is not taken for a server
 * that hangs. A dead worker's searches are taken over within lock plus
 * stalled interval; a call that was in flight bars the way until it is older than its timeout plus 5 s.
 */
export const SHORT: Readonly<Record<string, string>> = {
  TRACKYARD_REQUEST_TIMEOUT_MS: '6000',
  TRACKYARD_LOCK_DURATION_MS: '8200',
  TRACKYARD_STALLED_INTERVAL_MS: '1000',
  TRACKYARD_SHUTDOWN_GRACE_MS: '30000',
}

/** For calls that take seconds, and where no worker dies: a call that a stalled machine keeps waiting is not given up. */
export const PATIENT: Readonly<Record<string, string>> = {
  ...SHORT,
  TRACKYARD_REQUEST_TIMEOUT_MS: '20000',
  TRACKYARD_LOCK_DURATION_MS: '25000',
}
