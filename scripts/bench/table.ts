import { type Aim, type Figure, isMet } from './figure.js'
import type { Machine } from './machine.js'

/** The figures as a Markdown table, which also reads well on a terminal. */
export function renderTable(figures: readonly Figure[], machine: Machine): string {
  const rows = figures.map((figure) => [
    figure.bench,
    figure.store ?? '',
    figure.what,
    figure.value === null ? 'not measured' : `${shown(figure.value)}${unit(figure.unit)}`,
    figure.aim === null ? '' : shownAim(figure.aim, figure.unit),
    verdict(isMet(figure)),
    figure.note,
  ])
  const all = [['bench', 'store', 'what', 'measured', 'aim', 'met', 'note'], ...rows]
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = all
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|---|`
  return [sentence(machine), '', line(head), rule, ...body.map(line)].join('\n')
}

function sentence(machine: Machine): string {
  const { date, cpus, cpu, memoryGb, node, redis, system, loadBefore } = machine
  return `${date}, ${cpus} × ${cpu}, ${memoryGb} GB, ${system}, Node ${node}, ${redis}; load average ${loadBefore} before the run.`
}

function shownAim(aim: Aim, its: string): string {
  return 'atLeast' in aim ? `≥ ${shown(aim.atLeast)}${unit(its)}` : `≤ ${shown(aim.atMost)}${unit(its)}`
}

function unit(text: string): string {
  return text === '' ? '' : ` ${text}`
}

function verdict(met: boolean | null): string {
  return met === null ? '' : met ? 'yes' : 'no'
}

/** About three significant digits, with thousands separators. */
function shown(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: digits })
}
