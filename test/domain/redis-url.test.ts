import { expect, test } from '@jest/globals'
import { type RedisUrl, readRedisUrl } from '../../src/domain/redis-url.js'

function problemOf(text: string): string | null {
  const read = readRedisUrl(text)
  return 'problem' in read ? read.problem : null
}

function urlOf(text: string): RedisUrl {
  const read = readRedisUrl(text)
  if ('url' in read) return read.url
  throw new Error(read.problem)
}

test.each([
  'redis://localhost',
  'redis://:p%2Fss@localhost:6379',
  'redis://anna:p%23ss@localhost:6379/15',
  'redis://:p@ss@localhost:6379/',
  'rediss://db.example:6380/0',
  'redis://[::1]:6379',
  'unix:///run/redis.sock',
  'unix://:secret@/run/redis.sock?db=3',
  '/run/redis server/50%#1.sock',
  'redis+cluster://one:7001,two:7002,three',
  'rediss+cluster://anna:p%40ss@one:7001,[::1]:7002',
  'redis+sentinel://one,two:26380/mymaster',
  'rediss+sentinel://:p%2Fss@one/my.master-1?db=2&sentinel_password=p%23ss',
])('%s can be used', (text) => {
  expect(problemOf(text)).toBeNull()
})

test('a path alone is the path of a socket, whatever characters it has', () => {
  expect(urlOf('/run/redis server/50%#1?.sock')).toMatchObject({
    kind: 'socket',
    path: '/run/redis server/50%#1?.sock',
  })
})

test('several hosts, their login and the primary', () => {
  expect(urlOf('rediss+cluster://anna:p%40ss@one:7001,[::1]:7002')).toMatchObject({
    kind: 'cluster',
    tls: true,
    hosts: [
      { host: 'one', port: 7001 },
      { host: '::1', port: 7002 },
    ],
    login: { username: 'anna', password: 'p@ss' },
    db: null,
  })
  expect(urlOf('redis+sentinel://:s@one,two:26380/mymaster?db=2&sentinel_password=t%23')).toMatchObject({
    kind: 'sentinel',
    tls: false,
    hosts: [
      { host: 'one', port: 26379 },
      { host: 'two', port: 26380 },
    ],
    primary: 'mymaster',
    login: { username: '', password: 's' },
    sentinelLogin: { username: '', password: 't#' },
    db: 2,
  })
})

test.each([
  ['redis+cluster://one/1', 'nothing after the hosts'],
  ['redis+cluster://one?db=0', 'nothing after the hosts'],
  ['redis+cluster://', 'redis://host:port'],
  ['redis+cluster://one,,two', 'redis://host:port'],
  ['redis+cluster://one:x', 'redis://host:port'],
  ['redis+sentinel://one', 'the name of the primary'],
  ['redis+sentinel://one/', 'the name of the primary'],
  ['redis+sentinel://one/a/b', 'the name of the primary'],
  ['redis+sentinel://one/m?db=x', 'a database number'],
  ['redis+sentinel://one/m?password=hunter2', 'only db, sentinel_username'],
  ['redis+other://one', 'redis://host:port'],
  ['unix:///run/redis.sock?database=3', 'only db after the question mark'],
  ['unix:///run/redis.sock?db=1&password=hunter2', 'only db after the question mark'],
])('%s: %s', (text, expected) => {
  expect(problemOf(text)).toMatch(expected)
  expect(problemOf(text)).not.toContain('hunter2')
})

const RAW = ['#', '/', '?', '%', '#/', '/#', '%zz', '/@', '?@', '100%'].flatMap((raw) => [
  `redis://:hunter${raw}2secret@localhost:6379`,
  `redis://anna:12${raw}2secret@localhost:6379/1`,
  `rediss://12${raw}2secret:pass@localhost`,
  `redis://:1${raw}2secret@localhost`,
  `redis+cluster://:hunter${raw}2secret@one:7001,two`,
  `redis+sentinel://anna:12${raw}2secret@one,two/mymaster`,
])
test.each(RAW)('a raw character in %s: it says what to encode, and repeats no piece', (text) => {
  const problem = problemOf(text)
  expect(problem).toMatch(/percent-encoded \(%23 %2F %3F %40 %25\)$/)
  expect(problem).not.toMatch(/hunter|secret|anna/)
})

test.each(['/abc', '/-1', '/1.5', '/0/1', '/ 1', '/99999999999', '/0x1'])('%s is no database', (path) => {
  expect(problemOf(`redis://localhost:6379${path}`)).not.toBeNull()
})

test('a database that is none is named, as long as it can be nothing else', () => {
  expect(problemOf('redis://h:6379/abc')).toMatch(/^a database number instead of \/abc, as in/)
  expect(problemOf('redis://h:6379/-1')).toMatch(/instead of \/-1,/)
  expect(problemOf('unix:///run/redis.sock?db=x')).toMatch(/^a database number, as in/)
})

test.each(['http://localhost', 'localhost:6379', '', 'redis//x', 'redis://', 'redis://a b'])('%j is none', (text) => {
  expect(problemOf(text)).toMatch(/^redis:\/\/host:port/)
})
