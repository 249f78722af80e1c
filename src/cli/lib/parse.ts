import { type Command, InvalidArgumentError } from 'commander'
import { LONGEST_LABEL, readLabel } from '../../domain/label.js'

/** Option parsers. An InvalidArgumentError becomes commander's message and exit code 2. */

/** A whole number from `least` to `most`; "10,000" and "10_000" are accepted. */
export function parseWholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const plain = text.replace(/(?<=\d)[,_](?=\d{3}(\D|$))/g, '')
    const value = /^\d+$/.test(plain) ? Number(plain) : Number.NaN
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value
    const range = most === Number.MAX_SAFE_INTEGER ? `, ${least} or more` : ` from ${least} to ${most}`
    throw new InvalidArgumentError(`Expected a whole number${range}.`)
  }
}

const MOST_DAYS = 36_500

/** A number above 0, fractions allowed. */
export function parseDays(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
  if (value > 0 && value <= MOST_DAYS) return value
  throw new InvalidArgumentError(`Expected a number of days above 0, at most ${MOST_DAYS}.`)
}

/** One line of text: a name or a reason. */
export function parseLabel(text: string): string {
  const plain = readLabel(text)
  if (plain !== null) return plain
  throw new InvalidArgumentError(`Expected one line of text, 1 to ${LONGEST_LABEL} characters.`)
}

/** Not empty: an empty variable in a script would match nothing and look like a success. */
export function parseText(given: string): string {
  if (given.trim() !== '') return given
  throw new InvalidArgumentError('Expected a text, found none.')
}

/** `tab` and `\t` mean a tab. */
export function parseDelimiter(text: string): string {
  return text === 'tab' || text === '\\t' ? '\t' : text
}

/** "2%" as a share of 1. Without the sign it could be the id of a batch. */
export function parsePercentage(text: string): number {
  const value = /^\d{1,3}(\.\d+)?%$/.test(text) ? Number.parseFloat(text) : Number.NaN
  if (value <= 100) return value / 100
  throw new InvalidArgumentError('Expected a percentage such as 2%, and the batch or file before this option.')
}

/** Adds examples to a command's help. */
export function addExamples(command: Command, ...lines: readonly string[]): void {
  const title = lines.length === 1 ? 'Example:' : 'Examples:'
  command.addHelpText('after', `\n${title}\n${lines.map((line) => `  $ ${line}`).join('\n')}`)
}
