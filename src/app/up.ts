import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Settings } from '../config/settings.js'
import type { Logger } from '../domain/logger.js'
import { requireRedisServer } from './require-redis-server.js'
import { ASKED_TO_END, ChildRefused, type Deferred, deferred, type Service } from './service.js'

export type ChildName = 'worker' | 'board'

const FIRST_RESTART_MS = 1000
const LONGEST_RESTART_MS = 30_000
/** After a child has run this long, the restart delay starts over. */
const STABLE_AFTER_MS = 60_000

/**
 * Runs everything on one machine: a worker and the board as children of this process. A child that
 * exits on its own is restarted, whatever its exit code, with a growing delay. All children stop if
 * `down` stops one, or if one refuses its configuration (exit 78 or 2).
 */
export async function startUp(
  options: { readonly children: readonly ChildName[]; readonly env: NodeJS.ProcessEnv; readonly settings: Settings },
  log: Logger,
): Promise<Service> {
  // Here, so that it is said once and not by each child.
  await requireRedisServer(options.settings)
  const service = deferred()
  const children = options.children.map((name) => keepChild(name, options.env, log, service))
  let stopping: Promise<void> | null = null
  return {
    done: service.done,
    stop: () => (stopping ??= Promise.all(children.map((child) => child.stop())).then(() => {})),
    // A child bounds its own stop, and may be saving. Under systemd it would be killed once this process ends.
    isSaving: () => true,
  }
}

function keepChild(name: ChildName, env: NodeJS.ProcessEnv, log: Logger, service: Deferred): { stop(): Promise<void> } {
  let stopped = false
  let crashes = 0
  let restart: NodeJS.Timeout | undefined
  let current = start()

  function start(): { child: ChildProcess; exited: Promise<void> } {
    const startedAt = performance.now()
    const child = spawn(process.execPath, [entryOf(name)], {
      env,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const exited = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        log.error({ event: 'child.failed', child: name, err: error, repeats: name }, 'could not start a child process')
        resolve()
        if (!stopped && child.pid === undefined) onExit(null, null, 0)
      })
      child.on('message', (message) => {
        if (message === ASKED_TO_END) service.resolve()
      })
      child.once('exit', (code, signal) => {
        resolve()
        if (!stopped) onExit(code, signal, performance.now() - startedAt)
      })
    })
    return { child, exited }
  }

  function onExit(code: number | null, signal: NodeJS.Signals | null, ranForMs: number): void {
    if (code === 78 || code === 2) {
      service.reject(new ChildRefused(`The ${name} cannot run with this configuration.`))
      return
    }
    crashes = ranForMs > STABLE_AFTER_MS ? 0 : crashes + 1
    const waitMs = Math.min(LONGEST_RESTART_MS, FIRST_RESTART_MS * 2 ** Math.max(0, crashes - 1))
    log.warn(
      { event: 'child.exited', child: name, code, signal, againInMs: waitMs, repeats: name },
      'a child process exited; restarting it',
    )
    restart = setTimeout(() => {
      current = start()
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

function entryOf(name: ChildName): string {
  return fileURLToPath(new URL(`../../workers/${name}.js`, import.meta.url))
}
