#!/usr/bin/env node
import { exitAtSignal, interruptSignal, workingDirectory } from '../src/app/process.js'
import { jsonStyle, openCli } from '../src/cli/lib/cli.js'

const argv = process.argv.slice(2)
const io = {
  stdout: process.stdout,
  stderr: process.stderr,
  // Opened only by who reads it: an opened pipe keeps the process alive.
  get stdin() {
    return process.stdin
  },
  env: process.env,
  get cwd() {
    return workingDirectory()
  },
  interruptSignal,
}
let isOver = false
exitAtSignal(() => {
  const cli = openCli(io, isOver ? null : jsonStyle(argv))
  cli.say('Interrupted.')
  cli.finish({ code: 'interrupted', message: 'Interrupted.', hint: null })
})
// Behind the line above, because reading the program takes a moment.
const { run } = await import('../src/cli/main.js')
const code = await run(argv, io)
isOver = true
process.exitCode = code
// What is still open now (an unread stdin, work that the grace has given up) must not hold the process; output in flight may.
setInterval(() => {
  if (process.stdout.writableLength === 0) process.exit(code)
}, 100).unref()
