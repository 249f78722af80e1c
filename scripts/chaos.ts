import { interruptSignal } from '../src/app/process.js'
import { HELP, readOptions } from './chaos/options.js'
import { judge } from './chaos/oracle.js'
import { describeStep, planOf } from './chaos/plan.js'
import { openProgress } from './chaos/progress.js'
import { run } from './chaos/run.js'
import { renderTable } from './chaos/table.js'

/** The chaos run: breaks the program at random, by a seed, and checks its promises. See `--help` and docs/chaos.md. */
async function main(argv: readonly string[]): Promise<number> {
  const options = parsed(argv)
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
    const { counters, evidence, dir, remove } = await run({
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
    else await remove()
    if (isBroken) progress.say(`A promise was broken. To repeat the same actions: ${replay}`)
    return isBroken ? 1 : 0
  } catch (error) {
    progress.clear()
    if (!interrupt.signal.aborted) {
      progress.say(
        `The run failed; everything that it had started was stopped: ${error instanceof Error ? error.message : String(error)}`,
      )
      return 1
    }
    progress.say('Interrupted: everything that the run had started was stopped and removed.')
    return 130
  } finally {
    interrupt.dispose()
  }
}

function parsed(argv: readonly string[]) {
  try {
    return readOptions(argv)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nAdd --help for the options.\n`)
    return 'wrong'
  }
}

// exit(), because a Redis client may still wait for a server that was killed.
process.exit(await main(process.argv.slice(2)))
