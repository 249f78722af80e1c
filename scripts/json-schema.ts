import { writeFileSync } from 'node:fs'
import { jsonSchema } from '../src/cli/documents.js'

/** Writes the JSON Schema of what `--json` prints: `npm run schema`. A test fails while the file is not up to date. */
writeFileSync('docs/reference/json-schema.json', `${JSON.stringify(jsonSchema(), null, 2)}\n`)
