import { join } from 'node:path'
import { ROOT } from '../program.js'

/** The built bench. Its helper processes run the same file; see role.ts. */
export const BENCH_ENTRY = join(ROOT, 'dist/scripts/bench.js')
