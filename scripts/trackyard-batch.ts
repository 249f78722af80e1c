#!/usr/bin/env node
import { fstatSync, writeFileSync } from 'node:fs'
import { exitAtSignal, interruptSignal, workingDirectory } from '../src/app/process.js'
import { jsonStyle, openCli } from '../src/cli/lib/cli.js'

const argv = process.argv.slice(2)
const io = {
  stdout: process.stdout,
  stderr: process.stderr,
  // A getter, so that stdin is opened only when it is read: an open pipe keeps the process alive.
  get stdin() {
    return process.stdin
  },
  env: process.env,
  get cwd() {
    return workingDirectory()
  },
  interruptSignal,
}
// Node's own write to a file tries once: where the disk takes only a part, the rest is lost without an error.
// With `bigint`: what a plain stat says of a pipe stays in Node's memory, and later imports do not follow links then.
if (fstatSync(1, { bigint: true }).isFile()) {
  process.stdout._write = (chunk: Uint8Array, _encoding, done) => {
    try {
      writeFileSync(1, chunk)
      done()
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
let isOver = false
const isInterrupted = exitAtSignal(() => {
  const cli = openCli(io, isOver ? null : jsonStyle(argv))
  cli.say('Interrupted.')
  cli.finish({ code: 'interrupted', message: 'Interrupted.', hint: null })
})
// Imported after `exitAtSignal`, because loading the program takes a moment.
const { run } = await import('../src/cli/main.js')
const code = await run(argv, io)
isOver = true
process.exitCode = code
// Whatever is still open (an unread stdin, work abandoned after the grace period) must not keep the process alive. Only
// unwritten output may; after an interrupt for a second, since its reader may never read on.
const endedAt = performance.now()
setInterval(() => {
  const isLate = isInterrupted() && performance.now() - endedAt > 1000
  if (isLate || process.stdout.writableLength === 0) process.exit(code)
}, 100).unref()
