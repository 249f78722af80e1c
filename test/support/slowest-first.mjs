import Sequencer from '@jest/test-sequencer'

/**
 * The slow files, slowest first, those that mostly wait beside those that compute. Jest knows how long each took the
 * last time, but in a clean clone it begins with the largest, and a small slow file that is begun last keeps everybody
 * waiting.
 */
const SLOW = [
  'system/active-hours',
  'system/redis-failures',
  'queue/topologies',
  'system/crash-loop',
  'system/chaos',
  'system/refused-alone-ten',
  'system/refused-alone-one',
  'queue/refused-commands',
  'system/stops',
  'maintenance/damage',
  'system/kill-points',
  'system/store-lost',
  'system/postgres',
  'system/schedule',
  'catalog/fuzz',
  'system/failover',
  'catalog/json-fuzz',
  'system/main-job',
  'catalog/large-files',
  'system/terminal',
  'system/automation',
  'web/overview',
  'web/live-pages',
  'system/store-failures',
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
