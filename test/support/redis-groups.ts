import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../scripts/free-port.js'
import { ask, startRedis, type TestRedis, type TlsFiles, tlsSettings } from './redis.js'
import { until } from './until.js'

/** Real groups of servers on loopback: a cluster of three with a replica, or a primary and a replica with three sentinels. */
export interface RedisGroup {
  readonly url: string
  readonly nodes: readonly TestRedis[]
  /** The server that holds our keys. */
  readonly owner: TestRedis
  /** Takes over after the owner was killed. */
  readonly replica: TestRedis
  stop(): Promise<void>
}

/** Where the keys of trackyard-batch are: `redis-cli cluster keyslot '{trackyard}'`. */
const OUR_SLOT = 14462
const SLOTS = [
  [0, 5460],
  [5461, 10922],
  [10923, 16383],
] as const
/** How long a silent server is waited for: short, so that a failover takes seconds. */
const SILENCE_MS = '1500'
/** Otherwise the first copy begins after five seconds, and a server killed before that leaves an empty replica. */
const SYNC_AT_ONCE = { 'repl-diskless-sync-delay': '0' }

function follows(replica: TestRedis): Promise<void> {
  return until(async () => /master_link_status:up/.test(await replica.command('INFO', 'replication')), {
    timeoutMs: 120_000,
    what: 'the replica to have all',
  })
}

export async function startCluster(tls: TlsFiles | null = null): Promise<RedisGroup> {
  const all = {
    'cluster-enabled': 'yes',
    'cluster-node-timeout': SILENCE_MS,
    ...SYNC_AT_ONCE,
    ...(tls === null ? {} : { 'tls-cluster': 'yes' }),
  }
  const nodes = await Promise.all([all, all, all, all].map((each) => startRedis(each, tls)))
  const [one, two, owner, replica] = nodes as [TestRedis, TestRedis, TestRedis, TestRedis]
  const primaries = [one, two, owner]
  for (const [index, node] of primaries.entries()) {
    const [from, to] = SLOTS[index] ?? [0, 0]
    await node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
    // Two that give themselves the same number of configuration have to settle it first.
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
  }
  for (const node of nodes) await node.command('CLUSTER', 'MEET', '127.0.0.1', String(one.port))
  const id = /([0-9a-f]{40})/.exec(await owner.command('CLUSTER', 'MYID'))?.[1] ?? ''
  await until(async () => /\+OK/.test(await replica.command('CLUSTER', 'REPLICATE', id)), {
    timeoutMs: 120_000,
    what: 'the replica to know the owner',
  })
  await follows(replica)
  for (const node of nodes) {
    await until(async () => /cluster_state:ok/.test(await node.command('CLUSTER', 'INFO')), {
      timeoutMs: 120_000,
      what: 'the cluster to be up',
    })
    await until(
      async () =>
        (await node.command('CLUSTER', 'NODES')).split('\n').filter((line) => / connected/.test(line)).length === 4,
      {
        timeoutMs: 120_000,
        what: 'all to know each other',
      },
    )
  }
  if (OUR_SLOT < SLOTS[2][0]) throw new Error('the third node is not the owner')
  return {
    url: `${tls === null ? 'redis' : 'rediss'}+cluster://${primaries.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    owner,
    replica,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** @param password of the sentinels, not of the servers */
export async function startSentinels(tls: TlsFiles | null = null, password = ''): Promise<RedisGroup> {
  const owner = await startRedis(SYNC_AT_ONCE, tls)
  const replica = await startRedis({ replicaof: `127.0.0.1 ${owner.port}` }, tls)
  await follows(replica)
  const dir = await mkdtemp(join(tmpdir(), 'sentinels-'))
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const sentinels: ChildProcess[] = []
  const listen = (port: number): string =>
    tls === null
      ? `port ${port}`
      : Object.entries({ port: '0', 'tls-port': String(port), ...tlsSettings(tls) })
          .map((pair) => pair.join(' '))
          .join('\n')
  for (const port of ports) {
    const config = join(dir, `${port}.conf`)
    const watched = `sentinel monitor mymaster 127.0.0.1 ${owner.port} 2
sentinel down-after-milliseconds mymaster ${SILENCE_MS}
sentinel failover-timeout mymaster 5000`
    await writeFile(
      config,
      `${listen(port)}\nbind 127.0.0.1\nunixsocket ${join(dir, `${port}.sock`)}\ndir ${dir}\n${watched}\n${password === '' ? '' : `requirepass ${password}\n`}`,
    )
    sentinels.push(spawn('redis-server', [config, '--sentinel'], { stdio: 'ignore' }))
  }
  for (const port of ports) {
    const says = () => ask(join(dir, `${port}.sock`), ['SENTINEL', 'MASTERS']).catch(() => '')
    const ready = password === '' ? /num-slaves\r\n\$1\r\n1[\s\S]*num-other-sentinels\r\n\$1\r\n2/ : /NOAUTH/
    await until(async () => ready.test(await says()), {
      timeoutMs: 120_000,
      what: 'the sentinels to know the replica and each other',
    })
  }
  return {
    url: `${tls === null ? 'redis' : 'rediss'}+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/mymaster`,
    nodes: [owner, replica],
    owner,
    replica,
    stop: async () => {
      await Promise.all(
        sentinels.map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return
          const gone = once(child, 'exit')
          child.kill('SIGKILL')
          await gone
        }),
      )
      await Promise.all([owner.stop(), replica.stop()])
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
