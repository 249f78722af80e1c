import { spawnSync } from 'node:child_process'

/** Python's csv module, another reader of the same files. */
export interface PythonFile {
  readonly bytes: Buffer
  readonly delimiter: string
  readonly quoting: 'csv' | 'none'
}

export const hasPython =
  spawnSync('python3', ['-c', 'import csv, sys; sys.exit(sys.version_info < (3, 11))']).status === 0

const READ = `
import base64, csv, io, json, sys
csv.field_size_limit(1 << 30)
for line in sys.stdin:
    data, delimiter, quoting = json.loads(line)
    text = io.TextIOWrapper(io.BytesIO(base64.b64decode(data)), encoding='utf-8-sig', newline='')
    how = csv.QUOTE_NONE if quoting == 'none' else csv.QUOTE_MINIMAL
    print(json.dumps([row for row in csv.reader(text, delimiter=delimiter, quoting=how)]))
`

/** The rows of each file, the header first; a row of an empty line has no cells. */
export function readWithPython(files: readonly PythonFile[]): readonly (readonly (readonly string[])[])[] {
  const input = files
    .map(({ bytes, delimiter, quoting }) => `${JSON.stringify([bytes.toString('base64'), delimiter, quoting])}\n`)
    .join('')
  const { status, stdout, stderr } = spawnSync('python3', ['-c', READ], { input, maxBuffer: 1 << 28, encoding: 'utf8' })
  if (status !== 0) throw new Error(`Python failed: ${stderr}`)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as string[][])
}
