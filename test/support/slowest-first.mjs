import Sequencer from '@jest/test-sequencer'

/**
 * The slow files, slowest first. Jest knows how long each took the last time, but in a clean clone it begins with
 * the largest, and a small slow file that is begun last keeps everybody waiting.
 */
const SLOW = [
  'system/redis-trouble',
  'system/refused-alone',
  'system/chaos',
  'system/stops',
  'system/crash-loop',
  'system/kill-points',
  'system/store-lost',
  'queue/refusals',
  'app/money',
  'system/main-job',
  'maintenance/damage',
  'system/caps',
  'system/store-trouble',
  'system/frozen',
  'system/store-restored',
  'system/terminal',
  'system/',
  'app/maintenance-tasks',
  'catalog/fuzz',
  'catalog/large-files',
  'catalog/json-fuzz',
]

const place = ({ path }) => {
  const index = SLOW.findIndex((name) => path.includes(`test/${name}`))
  return index === -1 ? SLOW.length : index
}

export default class SlowestFirst extends Sequencer {
  sort(tests) {
    const sorted = [...super.sort(tests)]
    const isKnown = sorted.some(({ duration }) => duration != null)
    return isKnown ? sorted : sorted.sort((a, b) => place(a) - place(b))
  }
}
