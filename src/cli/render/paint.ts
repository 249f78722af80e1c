import { styleText } from 'node:util'
import { isTerminal, type Out } from '../io.js'

/** Colours on a terminal, unless NO_COLOR is set to anything but an empty string (no-color.org). */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  good(text: string): string
  warn(text: string): string
  bad(text: string): string
}

export function openPaint(stream: Out, env: Readonly<Record<string, string | undefined>>): Paint {
  const on = isTerminal(stream) && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  const style = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    on ? styleText(format, text, { validateStream: false }) : text
  return { bold: style('bold'), dim: style('dim'), good: style('green'), warn: style('yellow'), bad: style('red') }
}
