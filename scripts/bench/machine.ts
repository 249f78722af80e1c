import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'

/** What the figures were measured on. No names and no paths. */
export interface Machine {
  /** Of the run, UTC. */
  readonly date: string
  readonly cpus: number
  readonly cpu: string
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  readonly redis: string
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
