import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem, type } from 'node:os'

/** The machine that the figures were measured on, without names and paths. */
export interface Machine {
  /** When the run began, UTC. */
  readonly date: string
  readonly cpus: number
  readonly cpu: string
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  readonly redis: string
  /** The load average of the minute before the run. Above 0.5, other programs were running. */
  readonly loadBefore: number
}

export function thisMachine(): Machine {
  const all = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    cpus: all.length,
    cpu: all[0]?.model.trim() || 'CPU',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split('-')[0]}`,
    node: process.versions.node,
    redis: redisVersion(),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  }
}

function redisVersion(): string {
  try {
    const said = execFileSync('redis-server', ['--version'], { encoding: 'utf8' })
    return `Redis ${/v=(\S+)/.exec(said)?.[1] ?? '(unknown version)'}`
  } catch {
    return 'no redis-server'
  }
}
