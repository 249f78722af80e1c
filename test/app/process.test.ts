import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from '@jest/globals'

const SERVICE = fileURLToPath(new URL('../support/service.mjs', import.meta.url))

interface Life {
  readonly child: ChildProcess
  /** Resolves when that line was said. */
  said(line: string): Promise<void>
  /** Resolves when what was said so far matches. */
  saidLike(pattern: RegExp): Promise<RegExpExecArray>
  text(): string
  /** Everything it said, and how it ended. */
  readonly end: Promise<{ readonly code: number | null; readonly lines: readonly string[] }>
}

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Without the word of the shell that started this test, perhaps under nohup. */
const { _, ...env } = process.env

function run(behaviour: string, how: 'alone' | 'as a child of up' = 'alone'): Life {
  return follow(
    how === 'alone'
      ? spawn(process.execPath, [SERVICE, behaviour], { stdio: ['ignore', 'pipe', 'inherit'], env })
      : fork(SERVICE, [behaviour], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env }),
  )
}

function runCommand([command = '', ...args]: readonly string[]): Life {
  return follow(spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...env, SHELL: '/bin/sh' } }))
}

function follow(child: ChildProcess): Life {
  children.push(child)
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
    child.emit('said')
  })
  const lines = () => text.split('\n').filter((line) => line !== '')
  return {
    child,
    text: () => text,
    said: async (line) => {
      while (!lines().includes(line)) await once(child, 'said', { signal: AbortSignal.timeout(50_000) })
    },
    saidLike: async (pattern) => {
      for (;;) {
        const found = new RegExp(pattern, 'm').exec(text)
        if (found !== null) return found
        await once(child, 'said', { signal: AbortSignal.timeout(50_000) })
      }
    },
    // Not `close`: after a disconnect from this side there is none.
    end: Promise.all([once(child, 'exit'), once(child.stdout ?? child, 'end')]).then(([[code]]) => ({
      code: code as number | null,
      lines: lines(),
    })),
  }
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const

test.each(STOP_SIGNALS)('%s stops it cleanly, with 0', async (signal) => {
  const life = run('waits')
  await life.said('started')
  life.child.kill(signal)
  expect(await life.end).toEqual({ code: 0, lines: ['started', 'stopping', 'stopped'] })
})

test('a second signal exits at once, with 130', async () => {
  const life = run('hangs')
  await life.said('started')
  life.child.kill('SIGTERM')
  await life.said('stopping')
  life.child.kill('SIGTERM')
  expect(await life.end).toEqual({ code: 130, lines: ['started', 'stopping'] })
})

test('SIGHUP is no second signal: a logout sends it twice, and together with SIGTERM', async () => {
  const life = run('ends when told')
  await life.said('started')
  life.child.kill('SIGHUP')
  await life.said('stopping')
  for (const signal of ['SIGHUP', 'SIGTERM', 'SIGHUP'] as const) {
    life.child.kill(signal)
    await life.said(`heard ${signal}`)
  }
  life.child.kill('SIGUSR2')
  expect((await life.end).code).toBe(0)
})

describe('SIGHUP is passed over where it was ignored at the start:', () => {
  const node = `'${process.execPath}' '${SERVICE}' 'hears hang-ups'`
  test.each([
    ['nohup, started by bash', ['bash', '-c', `nohup ${node}`]],
    ['nohup in a terminal', ['script', '-qefc', `exec nohup ${node} | cat`, '/dev/null']],
    ['a shell that ignores it', ['sh', '-c', `trap '' HUP; ${node}; :`]],
  ])('%s', async (_name, command) => {
    const life = runCommand(command)
    const pid = Number((await life.saidLike(/^pid (\d+)/))[1])
    process.kill(pid, 'SIGHUP')
    await life.saidLike(/^heard SIGHUP/)
    process.kill(pid, 'SIGHUP')
    await life.saidLike(/^heard SIGHUP[\s\S]*^heard SIGHUP/)
    expect(life.text()).not.toContain('stopping')
    process.kill(pid, 'SIGTERM')
    await life.saidLike(/^stopped/)
  })
})

test('a child whose parent is gone stops by itself', async () => {
  const life = run('waits', 'as a child of up')
  await life.said('started')
  life.child.disconnect()
  expect(await life.end).toEqual({ code: 0, lines: ['started', 'stopping', 'stopped'] })
})

test('one that was asked to end is stopped, with 0', async () => {
  expect(await run('ends').end).toEqual({ code: 0, lines: ['started', 'stopping', 'stopped'] })
})

test('one that cannot go on is stopped all the same, for its calls in flight may be paid, and ends with its code', async () => {
  expect(await run('cannot go on').end).toEqual({
    code: 78,
    lines: ['started', 'stopping', 'stopped', 'error: another store'],
  })
})

test('one that cannot start says so and ends with its code', async () => {
  expect(await run('refuses').end).toEqual({ code: 78, lines: ['error: expected a key, found none'] })
})

test.each(STOP_SIGNALS)('%s to a command that has just begun: a word and 1, not 130', async (signal) => {
  const life = run('has just begun')
  await life.said('started')
  life.child.kill(signal)
  expect(await life.end).toEqual({ code: 1, lines: ['started', 'Interrupted.'] })
})

test('what ends cleanly after SIGHUP is not cut short by the next one', async () => {
  const life = run('has just begun and ends when told')
  await life.said('started')
  life.child.kill('SIGHUP')
  await life.said('ending')
  life.child.kill('SIGHUP')
  // Delivered behind it: the lower number comes first.
  life.child.kill('SIGUSR2')
  expect(await life.end).toEqual({ code: 0, lines: ['started', 'ending'] })
})

test('a first signal is left to what ends cleanly; a second one while it ends exits at once, with 130', async () => {
  const life = run('has just begun and ends cleanly')
  await life.said('started')
  life.child.kill('SIGINT')
  await life.said('ending')
  life.child.kill('SIGINT')
  expect(await life.end).toEqual({ code: 130, lines: ['started', 'ending'] })
})
