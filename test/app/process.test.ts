import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from '@jest/globals'

const SERVICE = fileURLToPath(new URL('../support/service.mjs', import.meta.url))

interface RunningProcess {
  readonly child: ChildProcess
  /** Resolves when that line is printed. */
  printed(line: string): Promise<void>
  /** Resolves when the output so far matches. */
  matches(pattern: RegExp): Promise<RegExpExecArray>
  text(): string
  /** All lines that it printed, and its exit code. */
  readonly end: Promise<{ readonly code: number | null; readonly lines: readonly string[] }>
}

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Without `_`, the command name set by the shell: this test may run under nohup. */
const { _, ...env } = process.env

function run(behaviour: string, how: 'alone' | 'as a child of up' = 'alone'): RunningProcess {
  return follow(
    how === 'alone'
      ? spawn(process.execPath, [SERVICE, behaviour], { stdio: ['ignore', 'pipe', 'inherit'], env })
      : fork(SERVICE, [behaviour], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env }),
  )
}

function runCommand([command = '', ...args]: readonly string[]): RunningProcess {
  return follow(spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...env, SHELL: '/bin/sh' } }))
}

function follow(child: ChildProcess): RunningProcess {
  children.push(child)
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
    child.emit('printed')
  })
  const lines = () => text.split('\n').filter((line) => line !== '')
  return {
    child,
    text: () => text,
    printed: async (line) => {
      while (!lines().includes(line)) await once(child, 'printed', { signal: AbortSignal.timeout(50_000) })
    },
    matches: async (pattern) => {
      for (;;) {
        const found = new RegExp(pattern, 'm').exec(text)
        if (found !== null) return found
        await once(child, 'printed', { signal: AbortSignal.timeout(50_000) })
      }
    },
    // Not `close`, which is not emitted after a disconnect from this side.
    end: Promise.all([once(child, 'exit'), once(child.stdout ?? child, 'end')]).then(([[code]]) => ({
      code: code as number | null,
      lines: lines(),
    })),
  }
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const

test.each(STOP_SIGNALS)('%s stops it cleanly and exits with 0', async (signal) => {
  const running = run('waits')
  await running.printed('started')
  running.child.kill(signal)
  expect(await running.end).toEqual({ code: 0, lines: ['started', 'stopping', 'stopped'] })
})

test('a second signal exits at once with 130', async () => {
  const running = run('hangs')
  await running.printed('started')
  running.child.kill('SIGTERM')
  await running.printed('stopping')
  running.child.kill('SIGTERM')
  expect(await running.end).toEqual({ code: 130, lines: ['started', 'stopping'] })
})

test('SIGHUP is never the second signal: a logout sends it twice', async () => {
  const running = run('ends when told')
  await running.printed('started')
  running.child.kill('SIGHUP')
  await running.printed('stopping')
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGHUP'] as const) {
    running.child.kill(signal)
    await running.printed(`heard ${signal}`)
  }
  running.child.kill('SIGUSR2')
  expect((await running.end).code).toBe(0)
})

describe('SIGHUP does nothing if it was ignored at the start:', () => {
  const node = `'${process.execPath}' '${SERVICE}' 'hears hang-ups'`
  test.each([
    ['nohup, started by bash', ['bash', '-c', `nohup ${node}`]],
    ['nohup in a terminal', ['script', '-qefc', `exec nohup ${node} | cat`, '/dev/null']],
    ['a shell that ignores it', ['sh', '-c', `trap '' HUP; ${node}; :`]],
  ])('%s', async (_name, command) => {
    const running = runCommand(command)
    const pid = Number((await running.matches(/^pid (\d+)/))[1])
    process.kill(pid, 'SIGHUP')
    await running.matches(/^heard SIGHUP/)
    process.kill(pid, 'SIGHUP')
    await running.matches(/^heard SIGHUP[\s\S]*^heard SIGHUP/)
    expect(running.text()).not.toContain('stopping')
    process.kill(pid, 'SIGTERM')
    await running.matches(/^stopped/)
  })
})

test('a child whose parent has ended stops', async () => {
  const running = run('waits', 'as a child of up')
  await running.printed('started')
  running.child.disconnect()
  expect(await running.end).toEqual({ code: 0, lines: ['started', 'stopping', 'stopped'] })
})

test('a service that was asked to stop exits with 0', async () => {
  expect(await run('ends').end).toEqual({ code: 0, lines: ['started', 'stopping', 'stopped'] })
})

test('a fatal error still stops the service cleanly: calls may be paid for', async () => {
  expect(await run('cannot go on').end).toEqual({
    code: 78,
    lines: ['started', 'stopping', 'stopped', 'error: another store'],
  })
})

test('a service that cannot start logs why and exits with its code', async () => {
  expect(await run('refuses').end).toEqual({ code: 78, lines: ['error: expected a key, found none'] })
})

test('a start that waits is given up some seconds after a signal', async () => {
  const running = run('never starts')
  await running.printed('starting')
  running.child.kill('SIGTERM')
  expect(await running.end).toEqual({ code: 0, lines: ['starting'] })
})

test.each(STOP_SIGNALS)('%s to a command that has just begun exits with 130 and a message', async (signal) => {
  const running = run('has just begun')
  await running.printed('started')
  running.child.kill(signal)
  expect(await running.end).toEqual({ code: 130, lines: ['started', 'Interrupted.'] })
})

test('a clean stop after SIGHUP is not cut short by another SIGHUP', async () => {
  const running = run('has just begun and ends when told')
  await running.printed('started')
  running.child.kill('SIGHUP')
  await running.printed('ending')
  running.child.kill('SIGHUP')
  // Delivered after SIGHUP, which has the lower number.
  running.child.kill('SIGUSR2')
  expect(await running.end).toEqual({ code: 0, lines: ['started', 'ending'] })
})

test('a second signal during a clean stop exits at once with 130', async () => {
  const running = run('has just begun and ends cleanly')
  await running.printed('started')
  running.child.kill('SIGINT')
  await running.printed('ending')
  running.child.kill('SIGINT')
  expect(await running.end).toEqual({ code: 130, lines: ['started', 'ending'] })
})
