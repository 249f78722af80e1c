#!/usr/bin/env node
import { checkStore } from '../src/store/sqlite/check-store.js'

/**
 * A child of a worker: checks a whole store, which may take a minute. Prints the problem as JSON,
 * or null.
 */
process.stdout.write(JSON.stringify(checkStore(process.argv[2] ?? '')))
