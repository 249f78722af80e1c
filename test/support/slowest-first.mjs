import Sequencer from '@jest/test-sequencer'

/**
 * The slow files, slowest first. Jest knows how long each took the last time, but in a clean clone it begins with
 * the largest, and a small slow file that is begun last keeps everybody waiting.
 */
const SLOW = [
  'system/active-hours',
  'system/crash-loop',
  'system/refused-alone',
  'system/redis-trouble',
  'system/chaos',
  'queue/topologies',
  'queue/refused-commands',
  'system/stops',
  'system/kill-points',
  'system/store-lost',
  'maintenance/damage',
  'system/postgres',
  'system/schedule',
  'system/failover',
  'system/main-job',
  'catalog/fuzz',
  'catalog/json-fuzz',
  'catalog/large-files',
  'system/store-trouble',
  'system/automation',
  'system/terminal',
  'web/overview',
  'system/frozen',
  'system/caps',
  'app/maintenance-tasks',
  'app/money',
  'cli/silent-redis',
  'system/',
  'queue/',
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
