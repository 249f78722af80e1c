import { readFileSync } from 'node:fs'

/** What a running process has used so far, from /proc; null on systems without it, or when it has ended. */
export interface ProcessFacts {
  /** User and system together, s. */
  readonly cpuSeconds: number
  readonly residentMb: number
  /** The highest so far. */
  readonly peakMb: number
}

/** Linux counts CPU time in hundredths of a second on every usual build. */
const TICKS_PER_SECOND = 100

export function factsOf(pid: number): ProcessFacts | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    const kb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)
    const [resident, peak] = [kb('VmRSS') / 1024, kb('VmHWM') / 1024]
    // A process that has just ended has a status without memory.
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

/** Looks until it is told to stop, then says the last that was seen: the peak of a process that ends by itself. */
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
