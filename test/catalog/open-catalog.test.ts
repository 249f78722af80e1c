import { execFileSync } from 'node:child_process'
import { createReadStream, openSync } from 'node:fs'
import { appendFile, open, readFile, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { describe, expect, test } from '@jest/globals'
import { explainReadError } from '../../src/catalog/input/source.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { all, file, inDirectory, openText, refusal } from './reading.js'

describe('what a catalog is understood to be', () => {
  test.each([
    ['a,b;c,d\n1,2,3', 'x.csv', ','],
    ['a;b;"c,d,e,f"\n1;2;3', 'x.csv', ';'],
    ['a\tb\n1\t2', 'x.csv', '\t'],
    ['a|b\n1|2', 'x.csv', '|'],
    ['title\nx', 'x.csv', ','],
    ['title\nx', 'x.tsv', '\t'],
    ['a;b, c, d, e\n1;2', 'x.csv', ';'],
    ['a,b;c;d\n1,2\n3,4\n', 'x.csv', ','],
    ['a;b\n1,5;2,5\n', 'x.csv', ';'],
    ['a,b\tc\n1,2\t3', 'x.tsv', '\t'],
  ])('the delimiter of %j named %s is %j', async (text, name, delimiter) => {
    expect(await openText(text, name)).toMatchObject({ format: 'csv', delimiter })
  })

  test.each([
    ['{"a":1}', 'x.jsonl', 'jsonl'],
    ['{"a":1}', 'x.ndjson', 'jsonl'],
    ['{"a":1}', 'x.JSON', 'jsonl'],
    ['  {"a":1}', 'standard input', 'jsonl'],
    ['a,b\n1,2', 'standard input', 'csv'],
    ['[a],b\n1,2', 'standard input', 'csv'],
    ['{a},b\n1,2', 'x.csv', 'csv'],
    ['{"a"},b\n1,2', 'x.csv', 'csv'],
    ['{"a":1}\n{"a":2}\n', 'x.csv', 'jsonl'],
    ['[\n  {\n    "a": 1\n  }\n]\n', 'x.csv', 'jsonl'],
  ])('the format of %j named %s is %s', async (text, name, format) => {
    expect(await openText(text, name)).toMatchObject({ format })
  })

  test.each([
    [{ delimiter: '||' }, /^Expected the delimiter to be one character such as ";", found "\|\|"\.$/],
    [{ delimiter: '' }, /found ""/],
    [{ delimiter: '"' }, /found "\\""/],
    [{ delimiter: '\n' }, /found "\\n"/],
    [{ headerRow: 0 }, /^Expected the line of the header to be a whole number, 1 or more, found 0\.$/],
    [{ headerRow: 1.5 }, /found 1\.5/],
    [{ headerRow: Number.NaN }, /found NaN/],
  ])('the options %j are refused', async (options, message) => {
    const refused = await refusal(() => openText('a||b\n1||2\n', 'x.csv', undefined, options))
    expect(refused).toEqual({ name: 'UsageError', message: expect.stringMatching(message) })
  })

  test('columns are kept as written and named without the white space around them', async () => {
    expect(await openText('\uFEFFid, title ,"mood, main"\r\n1,2,3\r\n')).toMatchObject({
      columns: ['id', ' title ', 'mood, main'],
      names: ['id', 'title', 'mood, main'],
    })
  })

  test('JSONL has no columns; its names are the keys of the first rows', async () => {
    expect(await openText('{"id":1,"title":"x"}\n\n{"id":2,"mood":"y"}', 'x.jsonl')).toMatchObject({
      columns: [],
      names: ['id', 'title', 'mood'],
      delimiter: null,
    })
  })

  test('a list on the first line of JSONL is one bad row, like anywhere else', async () => {
    const catalog = await openText('[1,2]\n{"title":"x"}\n', 'x.jsonl')
    expect(catalog).toMatchObject({ format: 'jsonl', names: ['title'] })
    expect(await all(catalog.rows())).toMatchObject([
      { kind: 'broken', line: 1 },
      { kind: 'object', line: 2 },
    ])
  })

  test('format and delimiter can be said', async () => {
    const { Readable } = await import('node:stream')
    const stream = Readable.from([Buffer.from('a;b,c\n1;2,3')])
    expect(await openCatalog({ stream, name: '-' }, { format: 'csv', delimiter: ';' })).toMatchObject({
      columns: ['a', 'b,c'],
    })
  })

  test('a file is read to its end and its rows can be read once', async () => {
    await inDirectory(async (directory) => {
      const catalog = await openCatalog({ path: await file(directory, 'x.csv', 'id,title\n1,a\n2,b') })
      expect(await all(catalog.rows())).toHaveLength(2)
      await expect(all(catalog.rows())).rejects.toThrow('once')
      catalog.close()
    })
  })

  test('a reader that stops early leaves the catalog closed', async () => {
    await inDirectory(async (directory) => {
      const catalog = await openCatalog({
        path: await file(directory, 'x.csv', `id,title\n${'1,a\n'.repeat(300_000)}`),
      })
      let seen = 0
      for await (const _ of catalog.rows()) if (++seen === 3) break
      expect(seen).toBe(3)
      catalog.close()
      catalog.close()
    })
  })
})

test.each([
  ['ORC,title\n1,x\n', 'x.csv'],
  ['ID3 tag;title\n1;x\n', 'x.csv'],
  ['<3,title\n1,x\n', 'x.csv'],
  ['<title>,mood\n1,x\n', 'x.csv'],
  ['version,title\n1,x\n', 'x.csv'],
  ['{"error":"none","title":"x"}\n', 'x.jsonl'],
  ['{"title":"Error","code":1}\n{"title":"y"}\n', 'x.jsonl'],
])('%j is a catalog', async (text, name) => {
  expect(await all((await openText(text, name)).rows())).not.toHaveLength(0)
})

describe('what is not a catalog is refused by name', () => {
  test.each([
    ['an empty file', '', 'x.csv', 'empty file'],
    ['a byte order mark alone', '\uFEFF', 'x.csv', 'empty file'],
    ['white space', ' \n\r\n ', 'x.csv', 'only white space'],
    ['a header alone', 'id,title\n', 'x.csv', 'rows below the header'],
    ['a header without a name', ',,\n1,2,3', 'x.csv', 'no name in it'],
    ['a header that cannot be read', '"id,title\n1,2', 'x.csv', 'header line'],
    ['a list of texts', '["a","b"]', 'x.json', 'expected a list of JSON objects, found none among the first 2'],
    ['an empty list', '[]', 'x.json', 'expected a list of JSON objects, found an empty list'],
    ['lines that are no JSON', 'a\nb\n', 'x.jsonl', 'expected one JSON object per line, found none among the first 2'],
    ['a web page', '\n <!DOCTYPE html>\n<html><head><title>Sign in</title>', 'x.csv', 'found a web page (HTML)'],
    ['a page without a doctype', '<HTML lang="en"><body>a,b</body>', 'x.jsonl', 'found a web page (HTML)'],
    ['XML', '<?xml version="1.0"?>\n<songs><song name="x"/></songs>\n', 'x.xml', 'found XML. Export the table'],
    ['XML without a declaration', '<rss version="2.0">\n<channel>\n', 'x.csv', 'found XML'],
    [
      'a property list',
      '<?xml version="1.0"?>\n<!DOCTYPE plist>\n<plist version="1.0">\n',
      'Library.xml',
      'an iTunes library?',
    ],
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:1\n', 'x.csv', 'git lfs pull'],
    [
      'an error of an API',
      '{"error":{"code":404,"message":"gone"}}',
      'x.csv',
      'the error that a server answered ({"error":',
    ],
    [
      'an error over several lines',
      '{\n "message": "Not Found",\n "status": "404"\n}\n',
      'x.json',
      'Fetch the file again',
    ],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]), 'x.zst', 'zstd -dc x.zst | trackyard-batch submit -'],
    ['bzip2', Buffer.from('BZh91AY&SY\0\x01', 'latin1'), 'x.bz2', 'bunzip2 -c x.bz2'],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), 'x.xz', 'xz -dc x.xz'],
    ['7-Zip', Buffer.from('7z\xbc\xaf\x27\x1c', 'latin1'), 'x.7z', 'a 7-Zip archive'],
    ['tar', Buffer.concat([Buffer.from('x.csv'), Buffer.alloc(252), Buffer.from('ustar\0')]), 'x.tar', 'a tar archive'],
    ['Parquet', Buffer.from('PAR1\x15\0\x15', 'latin1'), 'x.parquet', 'a Parquet file'],
    ['a PDF', '%PDF-1.7\n1 0 obj\n', 'x.pdf', 'a PDF'],
    ['a picture', Buffer.from('\x89PNG\r\n', 'latin1'), 'x.png', 'a picture (PNG)'],
    ['RTF', '{\\rtf1\\ansi', 'x.rtf', 'rich text'],
    ['nothing but zero bytes', Buffer.alloc(5000), 'x.csv', 'nothing but NUL bytes'],
    ['a workbook', Buffer.from('PK\u0003\u0004....'), 'x.xlsx', 'Excel workbook'],
    ['bytes', Buffer.from([1, 0, 0, 0, 7, 0, 0, 0]), 'x.bin', 'binary'],
  ])('%s', async (_, content, name, words) => {
    const { name: kind, message } = await refusal(() => openText(content, name))
    expect(kind).toBe('CatalogError')
    expect(message).toContain(words)
    expect(message).toContain(name)
  })

  test('another encoding is named with its line, wherever it stands, and with the command to convert it', async () => {
    const rows = `${'1,"two\nlines"\n'.repeat(50_000)}2,caf`
    const text = Buffer.concat([Buffer.from(`id,title\n${rows}`), Buffer.from([0xe9]), Buffer.from('\n3,x\n')])
    const { name, message } = await refusal(async () => all((await openText(text)).rows()))
    expect(name).toBe('CatalogError')
    expect(message).toContain('line 100002, character 6: expected UTF-8, found the byte E9: "café" in windows-1252')
    expect(message).toMatch(/--encoding windows-1252$/)
  })

  test('a path that is missing, or a directory', async () => {
    await inDirectory(async (directory) => {
      const missing = await refusal(() => openCatalog({ path: `${directory}/none.csv` }))
      expect([missing.name, missing.message]).toEqual(['CatalogError', expect.stringContaining('no such file')])
      const itself = await refusal(() => openCatalog({ path: directory }))
      expect([itself.name, itself.message]).toEqual(['CatalogError', expect.stringContaining('found a directory')])
      const opened = await open(directory)
      // What Node makes of `< directory`: an empty stream that knows its descriptor.
      const stream = Object.assign(Readable.from([]), { fd: opened.fd })
      const piped = await refusal(() => openCatalog({ stream, name: 'standard input' }))
      await opened.close()
      expect(piped.message).toMatch(/^standard input: expected a file, found a directory/)
    })
  })

  test('links that lead in a circle, names that are too long, files that cannot be read', async () => {
    await inDirectory(async (directory) => {
      await symlink(`${directory}/b`, `${directory}/a`)
      await symlink(`${directory}/a`, `${directory}/b`)
      for (const [path, words] of [
        [`${directory}/a`, 'found a link that leads in a circle'],
        [`${directory}/a/x.csv`, 'found a link that leads in a circle'],
        [`${directory}/${'x'.repeat(300)}`, 'found one that is too long'],
        ['/proc/self/mem', 'found one that cannot be read (EIO)'],
      ] as const) {
        const { name, message } = await refusal(() => openCatalog({ path }))
        expect([name, message]).toEqual(['CatalogError', expect.stringContaining(words)])
      }
    })
  })

  test.each([
    ['becomes shorter', (path: string) => truncate(path, 1_000_000)],
    ['grows', (path: string) => appendFile(path, '2,half of a ti')],
    ['is rewritten in place', (path: string) => writeFile(path, `id,title\n${'3,other title\n'.repeat(300_000)}`)],
  ])('a file that %s while it is read is refused, also as standard input', async (_, change) => {
    await inDirectory(async (directory) => {
      const words = 'found one that changed while it was read'
      const path = `${directory}/x.csv`
      for (const kind of ['path', 'stream']) {
        await writeFile(path, `id,title\n${'1,first title\n'.repeat(300_000)}`)
        await utimes(path, 1, 1)
        const stream = createReadStream('', { fd: openSync(path, 'r'), autoClose: false })
        const catalog = await openCatalog(kind === 'path' ? { path } : { stream, name: 'standard input' })
        await change(path)
        const { name, message } = await refusal(async () => all(catalog.rows()))
        stream.destroy()
        expect([name, message]).toEqual(['CatalogError', expect.stringContaining(words)])
      }
    })
  })

  test('a file that is replaced while it is read is read as it was', async () => {
    await inDirectory(async (directory) => {
      const path = await file(directory, 'x.csv', `id,title\n${'1,some title\n'.repeat(300_000)}`)
      const catalog = await openCatalog({ path })
      await rename(await file(directory, 'new.csv', 'id,title\n2,other\n'), path)
      expect(await all(catalog.rows())).toHaveLength(300_000)
    })
  })

  test('an abort while a file is opened ends the opening, and nothing else', async () => {
    await inDirectory(async (directory) => {
      const path = await file(directory, 'x.csv', 'id,title\n1,a\n')
      const abort = new AbortController()
      const opening = openCatalog({ path }, {}, abort.signal)
      abort.abort()
      await expect(opening).rejects.toMatchObject({ name: 'AbortError' })
      // By then an error that nobody listens to would have ended the process.
      await new Promise((resolve) => setImmediate(resolve))
    })
  })

  test('a pipe in the file system is read to its end, and holds nothing up while nobody writes', async () => {
    await inDirectory(async (directory) => {
      // More than the threads that Node has for files.
      const paths = Array.from({ length: 6 }, (_, n) => `${directory}/${n}.csv`)
      execFileSync('/usr/bin/mkfifo', paths)
      const opening = paths.map((path) => openCatalog({ path }))
      expect(await readFile('package.json', 'utf8')).toContain('trackyard-batch')
      for (const path of paths) await writeFile(path, `title\n${'a row\n'.repeat(20_000)}`)
      for (const catalog of await Promise.all(opening)) expect(await all(catalog.rows())).toHaveLength(20_000)
    })
  })

  test('a file that may not be read', () => {
    const reason = explainReadError(Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }), 'x.csv')
    expect(reason).toMatchObject({ name: 'CatalogError', message: expect.stringContaining('chmod +r x.csv') })
    const other = new Error('what')
    expect(explainReadError(other, 'x.csv')).toBe(other)
  })
})
