/**
 * A service of a few lines, for the tests of a process's life: says `started` and `stopped` on its channel or on
 * stdout. Its one argument is how it behaves.
 */
import { exitAtSignal, interruptSignal, runService } from '../../dist/src/app/process.js'
import { ConfigurationError } from '../../dist/src/domain/errors.js'

const behaviour = process.argv[2]
const line = (text) => process.stdout.write(`${text}\n`)
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: (_facts, sentence) => line(`error: ${sentence}`) }
const forever = setInterval(() => {}, 1000)
const told = new Promise((resolve) => process.once('SIGUSR2', resolve))
/** Said behind the handlers under test, which are called first. */
function sayWhatIsHeard() {
  for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => line(`heard ${name}`))
}

if (behaviour.startsWith('has just begun')) {
  exitAtSignal(() => line('Interrupted.'))
  if (behaviour.endsWith('and ends when told')) {
    const { signal, dispose } = interruptSignal()
    signal.addEventListener('abort', async () => {
      dispose()
      line('ending')
      await told
      process.exit(0)
    })
  }
  if (behaviour.endsWith('and ends cleanly')) {
    const { signal, dispose } = interruptSignal()
    signal.addEventListener('abort', () => {
      dispose()
      line('ending')
    })
  }
  line('started')
  await new Promise(() => {})
}

async function start() {
  if (behaviour === 'never starts') {
    line('starting')
    await new Promise(() => {})
  }
  if (behaviour === 'refuses') throw new ConfigurationError('expected a key, found none')
  let end
  const done = new Promise((resolve, reject) => {
    end = { resolve, reject }
  })
  if (behaviour === 'hears hang-ups') {
    sayWhatIsHeard()
    line(`pid ${process.pid}`)
  }
  setImmediate(() => line('started'))
  if (behaviour === 'ends') setTimeout(end.resolve, 50)
  if (behaviour === 'cannot go on') setTimeout(() => end.reject(new ConfigurationError('another store')), 50)
  return {
    done,
    stop: async () => {
      line('stopping')
      if (behaviour === 'ends when told') {
        sayWhatIsHeard()
        await told
      }
      if (behaviour === 'hangs') await new Promise(() => {})
      line('stopped')
    },
  }
}

const code = await runService(start, {
  log,
  graceMs: behaviour === 'hangs' || behaviour === 'ends when told' ? 60_000 : 100,
})
clearInterval(forever)
process.exit(code)
