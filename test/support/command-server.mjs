/**
 * Runs commands of the built program for its parent, one message each: a process of their own would cost more
 * than what they do. Ends with the channel.
 */
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { run } from '../../dist/src/cli/main.js'

process.on('message', async ({ id, args, env, cwd }) => {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const output = Promise.all([text(stdout), text(stderr)])
  const interruptSignal = () => ({ signal: new AbortController().signal, dispose: () => {} })
  const code = await run(args, { stdin: stdin.end(), stdout, stderr, env, cwd, interruptSignal })
  stdout.end()
  stderr.end()
  const [printed, said] = await output
  process.send({ id, code, stdout: printed, stderr: said })
})
process.once('disconnect', () => process.exit())
