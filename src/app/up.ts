import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ConfigurationError, type ExitCode, type ReportedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { ASKED_TO_END, deferred, type Service } from './service.js'

/**
 * Everything on one machine: a worker and the board as children of this process. One that ends unasked is started
 * again, whatever its exit code, a little later each time; one that was asked to end by `down` ends them all, and so does
 * one that cannot work with its configuration (exit 78).
 */
export type ChildName = 'worker' | 'board'

const FIRST_RESTART_MS = 1000
const LONGEST_RESTART_MS = 30_000
/** A child that lived this long starts anew without a longer wait. */
const LIVED_MS = 60_000

export async function startUp(
  options: { readonly children: readonly ChildName[]; readonly env: NodeJS.ProcessEnv },
  log: Logger,
): Promise<Service> {
  const { done, end } = deferred()
  const children = options.children.map((name) => keepChild(name, options.env, log, end))
  let stopping: Promise<void> | null = null
  return {
    done,
    stop: () => (stopping ??= Promise.all(children.map((child) => child.stop())).then(() => {})),
  }
}

function keepChild(
  name: ChildName,
  env: NodeJS.ProcessEnv,
  log: Logger,
  end: { readonly well: () => void; readonly badly: (error: ReportedError) => void },
): { stop(): Promise<void> } {
  let stopped = false
  let deaths = 0
  let restart: NodeJS.Timeout | undefined
  let current = begin()

  function begin(): { child: ChildProcess; exited: Promise<void> } {
    const startedAt = performance.now()
    const child = spawn(process.execPath, [entryOf(name)], {
      env,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const exited = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        log.error({ event: 'child.failed', child: name, err: error, repeats: name }, 'a child could not be started')
        resolve()
        if (!stopped && child.pid === undefined) onDeath(null, null, 0)
      })
      child.on('message', (said) => {
        if (said === ASKED_TO_END) end.well()
      })
      child.once('exit', (code, signal) => {
        resolve()
        if (!stopped) onDeath(code, signal, performance.now() - startedAt)
      })
    })
    return { child, exited }
  }

  function onDeath(code: number | null, signal: NodeJS.Signals | null, livedMs: number): void {
    if (code === 78 || code === 2) {
      end.badly(new ChildRefused(`The ${name} cannot work with this configuration; see its message above.`))
      return
    }
    deaths = livedMs > LIVED_MS ? 0 : deaths + 1
    const waitMs = Math.min(LONGEST_RESTART_MS, FIRST_RESTART_MS * 2 ** Math.max(0, deaths - 1))
    log.warn(
      {
        event: 'child.exited',
        child: name,
        code: code as ExitCode | null,
        signal,
        againInMs: waitMs,
        repeats: name,
      },
      'a child ended; it is started again',
    )
    restart = setTimeout(() => {
      current = begin()
    }, waitMs)
  }

  return {
    async stop() {
      stopped = true
      clearTimeout(restart)
      if (current.child.exitCode === null && current.child.signalCode === null) current.child.kill('SIGTERM')
      await current.exited
    },
  }
}

class ChildRefused extends ConfigurationError {}

function entryOf(name: ChildName): string {
  return fileURLToPath(new URL(`../../workers/${name}.js`, import.meta.url))
}
