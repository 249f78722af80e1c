import { describe, expect, test } from '@jest/globals'
import { loadSettings } from '../../src/config/load-settings.js'
import { proxyFor } from '../../src/config/proxy.js'
import { secretTexts } from '../../src/config/settings.js'

const API = 'https://api.example.test/v1'
const PROXY = 'http://proxy.test:3128'

describe('the proxy of an address', () => {
  test.each<[string, string, Record<string, string>, string | null]>([
    ['none', API, {}, null],
    ['for https', API, { HTTPS_PROXY: PROXY }, 'HTTPS_PROXY'],
    ['in lower case first', API, { HTTPS_PROXY: 'http://b.test', https_proxy: PROXY }, 'https_proxy'],
    ['for https, that for http where there is no other', API, { http_proxy: PROXY }, 'http_proxy'],
    ['not for http what is for https', 'http://api.example.test', { HTTPS_PROXY: PROXY }, null],
    ['an empty one is none', API, { https_proxy: '', HTTPS_PROXY: '' }, null],
    ['a host and port alone', API, { HTTPS_PROXY: 'proxy.test:3128' }, 'HTTPS_PROXY'],
    ['this machine too', 'http://127.0.0.1:4010', { HTTP_PROXY: PROXY }, 'HTTP_PROXY'],
    ['exempt by name', API, { HTTPS_PROXY: PROXY, NO_PROXY: 'localhost, API.example.test' }, null],
    ['exempt by domain', API, { HTTPS_PROXY: PROXY, no_proxy: '.example.test' }, null],
    ['exempt by star and domain', API, { HTTPS_PROXY: PROXY, no_proxy: '*.example.test' }, null],
    ['exempt, all', API, { HTTPS_PROXY: PROXY, NO_PROXY: '*' }, null],
    ['exempt with its port', API, { HTTPS_PROXY: PROXY, NO_PROXY: 'example.test:443' }, null],
    ['not exempt at another port', API, { HTTPS_PROXY: PROXY, NO_PROXY: 'example.test:80' }, 'HTTPS_PROXY'],
    ['not exempt by half a name', API, { HTTPS_PROXY: PROXY, NO_PROXY: 'ample.test' }, 'HTTPS_PROXY'],
    ['exempt by number', 'http://127.0.0.1:4010', { HTTP_PROXY: PROXY, NO_PROXY: '127.0.0.1' }, null],
    ['exempt by IPv6', 'http://[::1]:4010', { HTTP_PROXY: PROXY, NO_PROXY: '[::1]' }, null],
  ])('%s', (_, target, env, name) => {
    expect(proxyFor(new URL(target), env)?.name ?? null).toBe(name)
  })
})

test('a proxy is shown without its password, which no log line may hold', () => {
  const settings = loadSettings({ TRACKYARD_API_URL: API, HTTPS_PROXY: 'http://ana:s%40fe@proxy.test:3128' })
  expect(settings.proxy?.host).toBe('proxy.test:3128')
  expect(JSON.stringify(settings)).not.toMatch(/ana|s%40fe/)
  expect(secretTexts(settings)).toEqual(expect.arrayContaining(['s%40fe', 's@fe']))
  expect(settings.proxy?.url.reveal()).toBe('http://ana:s%40fe@proxy.test:3128/')
})

test('the webhook has a proxy of its own, or none, by its own address', () => {
  const webhook = (url: string, env: Record<string, string>) =>
    loadSettings({ TRACKYARD_API_URL: API, TRACKYARD_WEBHOOK_URL: url, ...env })
  const env = { HTTPS_PROXY: 'http://ana:s%40fe@proxy.test:3128', NO_PROXY: 'api.example.test' }
  const settings = webhook('https://hooks.example.test/x', env)
  expect([settings.proxy, settings.webhookProxy?.host]).toEqual([null, 'proxy.test:3128'])
  expect(JSON.stringify(settings)).not.toMatch(/ana|s%40fe/)
  expect(secretTexts(settings)).toEqual(expect.arrayContaining(['s%40fe', 's@fe']))
  const exempt = webhook('https://hooks.example.test/x', { HTTPS_PROXY: PROXY, NO_PROXY: 'hooks.example.test' })
  expect([exempt.proxy?.host, exempt.webhookProxy]).toEqual(['proxy.test:3128', null])
  expect(webhook('http://hooks.example.test/x', { HTTPS_PROXY: PROXY }).webhookProxy).toBeNull()
})

test('a proxy that cannot be used by API and webhook is one problem', () => {
  const env = { TRACKYARD_API_URL: API, TRACKYARD_WEBHOOK_URL: 'https://h.test/x', HTTPS_PROXY: 'socks5://h.test' }
  expect(() => loadSettings(env)).toThrow(/^HTTPS_PROXY: expected/)
  expect(() => loadSettings({ ...env, NO_PROXY: 'api.example.test' })).toThrow(/^HTTPS_PROXY: expected/)
  expect(loadSettings({ ...env, NO_PROXY: 'example.test h.test' }).webhookProxy).toBeNull()
})

test.each(['socks5://127.0.0.1:1080', 'http://', 'http://a:%zz@b'])('%s is refused, and not shown', (value) => {
  expect(() => loadSettings({ TRACKYARD_API_URL: API, HTTPS_PROXY: value })).toThrow(
    /^HTTPS_PROXY: expected http:\/\/host:port or https:\/\/host:port of a proxy, found something else \(not shown\)/,
  )
  // Calls that do not go through it are none of its business.
  expect(loadSettings({ TRACKYARD_API_URL: API, HTTPS_PROXY: value, NO_PROXY: '*' }).proxy).toBeNull()
})
