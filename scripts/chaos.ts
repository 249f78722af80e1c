import { interruptSignal } from '../src/app/process.js'
import { HELP, readOptions } from './chaos/options.js'
import { judge } from './chaos/oracle.js'
import { describeStep, planOf } from './chaos/plan.js'
import { openProgress } from './chaos/progress.js'
import { run } from './chaos/run.js'
import { renderTable } from './chaos/table.js'

/** Nothing lost, every credit explained: broken at random for as long as one likes, by a seed. See `--help` and docs/chaos.md. */
async function main(words: readonly string[]): Promise<number> {
  const options = understood(words)
  if (options === 'wrong') return 2
  if (options === null) {
    process.stdout.write(HELP)
    return 0
  }
  const plan = planOf(options.seed, options.lastsMs, options.store)
  if (options.planOnly) {
    process.stdout.write(`${plan.steps.map(describeStep).join('\n')}\n`)
    return 0
  }
  const { store } = options
  const replay = `npm run chaos -- --minutes ${options.lastsMs / 60_000} --seed ${options.seed}${store === 'sqlite' ? '' : ` --store ${store}`}`
  const progress = openProgress(process.stderr)
  const interrupt = interruptSignal()
  try {
    progress.say(`${plan.steps.length} actions, ${plan.batches.length} batches: ${replay}`)
    const { counters, evidence, dir, forget } = await run({
      plan,
      store,
      signal: interrupt.signal,
      onStep: progress.step,
      onProgress: progress.show,
    })
    progress.clear()
    const verdict = judge(evidence)
    for (const violation of verdict.violations) progress.say(`VIOLATION ${violation}`)
    process.stdout.write(`${renderTable(store, counters, verdict)}\n`)
    const isBroken = verdict.violations.length > 0
    if (isBroken || options.keep) progress.say(`Store, logs and exports: ${dir}`)
    else await forget()
    if (isBroken) progress.say(`A promise was broken. The same actions again: ${replay}`)
    return isBroken ? 1 : 0
  } catch (error) {
    progress.clear()
    if (!interrupt.signal.aborted) {
      progress.say(
        `The run stopped early; everything that it had started was ended: ${error instanceof Error ? error.message : String(error)}`,
      )
      return 1
    }
    progress.say('Interrupted: everything that was started is ended and removed.')
    return 130
  } finally {
    interrupt.dispose()
  }
}

function understood(words: readonly string[]) {
  try {
    return readOptions(words)
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? error.message : String(error)}\nAdd --help to see what is possible.\n`,
    )
    return 'wrong'
  }
}

// exit(), because a client of a Redis that was killed under it may still be waiting for its return.
process.exit(await main(process.argv.slice(2)))
