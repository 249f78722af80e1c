#!/usr/bin/env node
import { timedCheck } from '../src/store/sqlite/check-store.js'

/**
 * A child of a worker: checks a whole store, which may take a minute. Prints as JSON the problem, or
 * null, and how long the check took, without the start of this process.
 */
process.stdout.write(JSON.stringify(timedCheck(process.argv[2] ?? '')))
