import { expect, test } from '@jest/globals'
import { parseRedisUrl, redisUrlProblem } from '../../src/domain/redis-url.js'

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
])('%s can be used', (text) => {
  expect(redisUrlProblem(text)).toBeNull()
  expect(parseRedisUrl(text)).not.toBeNull()
})

test('a path alone is the path of a socket, whatever characters it has', () => {
  const url = parseRedisUrl('/run/redis server/50%#1?.sock')
  expect(url?.protocol).toBe('unix:')
  expect(decodeURIComponent(url?.pathname ?? '')).toBe('/run/redis server/50%#1?.sock')
})

const RAW = ['#', '/', '?', '%', '#/', '/#', '%zz', '/@', '?@', '100%'].flatMap((raw) => [
  `redis://:hunter${raw}2secret@localhost:6379`,
  `redis://anna:12${raw}2secret@localhost:6379/1`,
  `rediss://12${raw}2secret:pass@localhost`,
  `redis://:1${raw}2secret@localhost`,
])
test.each(RAW)('a raw character in %s: it says what to encode, and repeats no piece', (text) => {
  const problem = redisUrlProblem(text)
  expect(problem).toMatch(/percent-encoded \(%23 %2F %3F %40 %25\)$/)
  expect(problem).not.toMatch(/hunter|secret|anna/)
})

test.each(['/abc', '/-1', '/1.5', '/0/1', '/ 1', '/99999999999', '/0x1'])('%s is no database', (path) => {
  expect(redisUrlProblem(`redis://localhost:6379${path}`)).not.toBeNull()
})

test('a database that is none is named, as long as it can be nothing else', () => {
  expect(redisUrlProblem('redis://h:6379/abc')).toMatch(/^a database number instead of \/abc, as in/)
  expect(redisUrlProblem('redis://h:6379/-1')).toMatch(/instead of \/-1,/)
  expect(redisUrlProblem('unix:///run/redis.sock?db=x')).toMatch(/^a database number, as in/)
})

test.each(['http://localhost', 'localhost:6379', '', 'redis//x', 'redis://', 'redis://a b'])('%j is none', (text) => {
  expect(redisUrlProblem(text)).toMatch(/^redis:\/\/host:port/)
})
