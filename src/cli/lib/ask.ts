import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { RefusedError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { type Cli, isTerminal, write } from './cli.js'
import { throwInterrupted } from './interrupt.js'

/** Whether a person can answer. Questions go to stderr, so that stdout may be a file. */
export function canAsk(cli: Cli): boolean {
  return isTerminal(cli.io.stdin) && isTerminal(cli.io.stderr)
}

/**
 * Only y or yes counts as yes; the end of the input is a no. @throws the signal's reason when
 * aborted
 */
export async function askYesNo(cli: Cli, question: string, signal: AbortSignal): Promise<boolean> {
  return /^y(es)?$/i.test(await askText(cli, `${question} [y/N]`, signal))
}

/** @throws RefusedError with `refusal` if nobody can be asked; the signal's reason when aborted */
export async function askToConfirm(
  cli: Cli,
  question: string,
  how: { readonly mayAsk?: boolean; readonly refusal: string; readonly signal: AbortSignal },
): Promise<boolean> {
  const { mayAsk = true, refusal, signal } = how
  if (mayAsk && canAsk(cli)) return askYesNo(cli, question, signal)
  throw new RefusedError(refusal, { code: 'confirmation_required' })
}

/** One line, without the white space around it; empty at the end of the input. */
export async function askText(cli: Cli, question: string, signal: AbortSignal): Promise<string> {
  return ask(cli, question, { output: cli.io.stderr, terminal: false }, signal)
}

/** The same, and nothing of the answer is shown. */
export async function askSecret(cli: Cli, question: string, signal: AbortSignal): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  write(cli.io.stderr, `${question} `)
  try {
    // As a terminal, so that it takes over the echo.
    return await ask(cli, '', { output: silent, terminal: true }, signal)
  } finally {
    write(cli.io.stderr, '\n')
  }
}

async function ask(
  cli: Cli,
  question: string,
  how: { readonly output: Writable; readonly terminal: boolean },
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted()
  const lines = createInterface({ input: cli.io.stdin, ...how })
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
  const stop = new AbortController()
  // Ctrl-C is a key while the echo is off.
  lines.once('SIGINT', () => stop.abort())
  try {
    const prompt = question === '' ? '' : `${question} `
    const answered = lines.question(prompt, { signal: AbortSignal.any([signal, stop.signal]) })
    return (await Promise.race([answered, closed])).trim()
  } catch (error) {
    if (stop.signal.aborted) return throwInterrupted()
    throw error
  } finally {
    lines.close()
  }
}

/**
 * When to confirm before credits are spent: above the threshold or with a doubt, unless --yes is
 * given.
 */
export interface Spending {
  readonly credits: number
  /** TRACKYARD_CONFIRM_ABOVE. */
  readonly confirmAbove: number
  readonly yes: boolean
  /** Why these searches may not be what the user wants. Confirmed whatever they cost, unless they are free. */
  readonly doubts?: readonly string[]
  /** False if standard input is the catalog. */
  readonly mayAsk: boolean
  /** Ends the error if nobody can be asked: what else to do, and the state ("cap it with …. Nothing was changed."). */
  readonly instead: string
  readonly signal: AbortSignal
}

/** @throws RefusedError if confirmation is needed and nobody can be asked */
export async function confirmSpending(cli: Cli, spending: Spending): Promise<boolean> {
  const { credits, confirmAbove, doubts = [] } = spending
  if (credits === 0 || (credits <= confirmAbove && doubts.length === 0) || spending.yes) return true
  const why =
    credits <= confirmAbove
      ? doubts.join(' ')
      : `This may cost ${pluralize(credits, 'credit')}, more than TRACKYARD_CONFIRM_ABOVE (${formatNumber(confirmAbove)}).`
  const { mayAsk, instead, signal } = spending
  const obstacle = mayAsk ? 'no terminal' : 'standard input is the catalog'
  return askToConfirm(cli, `Release it and spend up to ${pluralize(credits, 'credit')}?`, {
    mayAsk,
    refusal: `${why} Cannot ask here: ${obstacle}. Pass --yes to confirm, or ${instead}`,
    signal,
  })
}
