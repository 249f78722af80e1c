/** How long an absent Redis may delay shutdown. */
export const CLOSE_TIMEOUT_MS = 1000

/**
 * Waits for at most `ms`, for work that an absent or frozen Redis would delay forever, such as QUIT. Shutdown must
 * end even then. A rejection counts as settled.
 * @returns whether the work settled in time
 */
export async function settledWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  let alarm: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    alarm = setTimeout(() => resolve(false), ms)
  })
  const ended = work.then(
    () => true,
    () => true,
  )
  const inTime = await Promise.race([ended, late])
  clearTimeout(alarm)
  return inTime
}
