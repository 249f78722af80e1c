import { Cluster } from './ioredis.js'
import type { RedisClient } from './redis-client.js'

type Expected =
  | 'list'
  | 'zset'
  | 'set'
  | 'hash'
  | 'stream'
  | 'string'
  | 'number'
  | 'expiring number'
  | 'expiring string'
  | 'uuid'

/** Keys of each BullMQ queue, by the last part of the key. */
const QUEUE_KEYS: Readonly<Record<string, Expected>> = {
  wait: 'list',
  paused: 'list',
  active: 'list',
  prioritized: 'zset',
  delayed: 'zset',
  completed: 'zset',
  failed: 'zset',
  'waiting-children': 'zset',
  repeat: 'zset',
  marker: 'zset',
  stalled: 'set',
  'stalled-check': 'expiring number',
  events: 'stream',
  meta: 'hash',
  limiter: 'expiring number',
  pc: 'number',
  id: 'number',
  'metrics:completed': 'hash',
  'metrics:completed:data': 'list',
  'metrics:failed': 'hash',
  'metrics:failed:data': 'list',
}

/** Keys of ours beside them. */
const OWN_KEYS: Readonly<Record<string, Expected>> = {
  store: 'uuid',
  'queue-id': 'uuid',
  'latest-call': 'number',
  workers: 'set',
  rate: 'string',
  stop: 'expiring number',
  settings: 'expiring string',
  probe: 'expiring string',
}

/**
 * KEYS: the keys to check. ARGV: what each must be, in the same order.
 * Returns the damaged keys. A missing key is not damaged: an empty Redis has none.
 */
const DAMAGED = `
local damaged = {}
for i, key in ipairs(KEYS) do
  local expected, type = ARGV[i], redis.call('TYPE', key).ok
  local expires = string.sub(expected, 1, 9) == 'expiring '
  if expires then expected = string.sub(expected, 10) end
  local ok = type == expected or (type == 'string' and (expected == 'number' or expected == 'uuid'))
  if type == 'none' then ok = true
  elseif ok and expires and redis.call('PTTL', key) < 0 then ok = false
  elseif ok and expected == 'number' then ok = string.find(redis.call('GET', key), '^%-?%d+$') ~= nil
  elseif ok and expected == 'uuid' then ok = string.find(redis.call('GET', key), '^%x+%-%x+%-%x+%-%x+%-%x+$') ~= nil
  elseif ok and expected == 'stream' then
    local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    ok = not (last and string.find(last[1], '^18446744073709551615%-'))
  elseif ok and expected == 'hash' then
    for _, field in ipairs({'max', 'duration', 'concurrency', 'opts.maxLenEvents'}) do
      local value = redis.call('HGET', key, field)
      if value and not (tonumber(value) and tonumber(value) > 0) then ok = false end
    end
    for _, field in ipairs({'count', 'prevTS', 'prevCount'}) do
      local value = redis.call('HGET', key, field)
      if value and not string.find(value, '^%d+$') then ok = false end
    end
  end
  if not ok then table.insert(damaged, key) end
end
return damaged
`

/**
 * Finds damaged values in Redis: a key of ours with the wrong type, with garbage instead of a number, or without
 * an expiry that it must have. One of them can stop all workers, and no BullMQ command repairs it. The store is
 * the source of truth, so there is one repair for all: our keys are removed and restored (see redis-recovery.ts).
 *
 * Single jobs are not checked here: see unreadable-jobs.ts.
 */
export async function damagedKeys(
  redis: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<readonly string[]> {
  const expected: [string, Expected][] = [
    ...Object.entries(OWN_KEYS).map(([name, what]): [string, Expected] => [`${prefix}:${name}`, what]),
    ...queues.flatMap((queue) =>
      Object.entries(QUEUE_KEYS).map(([name, what]): [string, Expected] => [`${prefix}:${queue}:${name}`, what]),
    ),
  ]
  const keys = expected.map(([key]) => key)
  const reply = await redis.eval(DAMAGED, keys.length, ...keys, ...expected.map(([, what]) => what))
  return Array.isArray(reply) ? reply.map(String) : []
}

const SCANNED_AT_ONCE = 1000

/**
 * Removes every key under our prefix except `kept`, and nothing else. `first` is removed first: after a kill in the
 * middle, the next process takes Redis for empty, and clears it again.
 * @param meanwhile called after each step, to extend the lease
 */
export async function removeKeys(
  redis: RedisClient,
  prefix: string,
  options: { readonly first: string; readonly kept: string; readonly meanwhile: () => Promise<unknown> },
): Promise<void> {
  await redis.unlink(options.first)
  const pattern = `${prefix.replace(/[[\]*?\\^]/g, '\\$&')}:*`
  // A cursor belongs to one server. In a cluster, only one has keys of ours.
  for (const server of redis instanceof Cluster ? redis.nodes('master') : [redis]) {
    let cursor = '0'
    do {
      const [next, keys] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', SCANNED_AT_ONCE)
      const ours = keys.filter((key) => key.startsWith(`${prefix}:`) && key !== options.kept)
      if (ours.length > 0) await redis.unlink(...ours)
      await options.meanwhile()
      cursor = next
    } while (cursor !== '0')
  }
}
