/** How long an absent Redis may hold up the end. */
export const CLOSE_TIMEOUT_MS = 1000

/**
 * Waits for something that an absent or frozen Redis would keep waiting for ever, such as a polite
 * goodbye; shutdown must end all the same. A rejection counts as an end.
 * @returns whether it ended in time
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
