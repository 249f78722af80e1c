#!/usr/bin/env node
import { checkStore } from '../src/store/check-store.js'

/** A child of a worker: reads a whole store, which may take a minute, and says what is wrong with it. null: nothing. */
process.stdout.write(JSON.stringify(checkStore(process.argv[2] ?? '')))
