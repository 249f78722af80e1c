import { readFileSync } from 'node:fs'

/** What a process has used so far, from /proc. */
export interface ProcessFacts {
  /** User and system time, in seconds. */
  readonly cpuSeconds: number
  readonly residentMb: number
  /** The highest resident memory so far. */
  readonly peakMb: number
}

/** Linux's USER_HZ, which is 100 on all usual builds. */
const TICKS_PER_SECOND = 100

/** Null: the system has no /proc, or the process has ended. */
export function factsOf(pid: number): ProcessFacts | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    const kb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)
    const [resident, peak] = [kb('VmRSS') / 1024, kb('VmHWM') / 1024]
    // The status of a process that has just ended has no memory figures.
    if (Number.isNaN(peak)) return null
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      residentMb: resident,
      peakMb: peak,
    }
  } catch {
    return null
  }
}

/**
 * Samples a process until the returned function is called, which returns the last sample. So the peak of a process is
 * known after it has ended.
 */
export function watchFacts(pid: number): () => ProcessFacts | null {
  let last = factsOf(pid)
  const timer = setInterval(() => {
    last = factsOf(pid) ?? last
  }, 20)
  return () => {
    clearInterval(timer)
    return last
  }
}
