#!/usr/bin/env node
import { checkStore } from '../src/store/sqlite/check-store.js'

/**
 * A child of a worker: checks a whole store, which may take a minute. Prints as JSON the problem, or
 * null, and how long the check took, without the start of this process.
 */
const startedAt = performance.now()
const problem = checkStore(process.argv[2] ?? '')
process.stdout.write(JSON.stringify({ problem, tookMs: performance.now() - startedAt }))
