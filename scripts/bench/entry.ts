import { join } from 'node:path'
import { ROOT } from './environment.js'

/** The built bench itself, which also plays the roles. */
export const BENCH_ENTRY = join(ROOT, 'dist/scripts/bench.js')
