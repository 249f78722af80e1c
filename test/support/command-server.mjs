/**
 * Runs commands and workers of the built program for its parent: a process of their own would cost more than what they
 * do. Ends with the channel.
 */
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { settingsOf } from '../../dist/src/app/entry.js'
import { startWorker } from '../../dist/src/app/start-worker.js'
import { run } from '../../dist/src/cli/main.js'
import { secretTexts } from '../../dist/src/config/settings.js'
import { openLog } from '../../dist/src/log/log.js'

/** What stops a worker, by the id of the message that started it. */
const workers = new Map()

process.on('message', async ({ id, worker, args, ...surroundings }) => {
  if (worker === 'stop') return workers.get(id)()
  const ended = await (worker === 'start' ? runWorker(id, surroundings) : runCommand(args, surroundings))
  process.send({ id, ended })
})
process.once('disconnect', () => process.exit())

async function runCommand(args, { env, cwd }) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const output = Promise.all([text(stdout), text(stderr)])
  const interruptSignal = () => ({ signal: new AbortController().signal, dispose: () => {} })
  const code = await run(args, { stdin: stdin.end(), stdout, stderr, env, cwd, interruptSignal })
  stdout.end()
  stderr.end()
  const [printed, said] = await output
  return { code, stdout: printed, stderr: said }
}

async function runWorker(id, surroundings) {
  const stopped = new Promise((resolve) => workers.set(id, resolve))
  const settings = settingsOf(surroundings)
  const destination = { write: (line) => process.send({ id, line }) }
  const log = openLog({ level: settings.logLevel, pretty: false, secrets: secretTexts(settings), destination })
  const worker = await startWorker(settings, log, new AbortController().signal)
  await Promise.race([stopped, worker.done])
  await worker.stop()
  return null
}
