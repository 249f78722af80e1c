import type { Socket } from 'node:net'
import { type Api, type ApiOptions, openApi } from '../../src/api/client.js'
import { parseTracks } from '../../src/domain/answer.js'
import { systemClock } from '../../src/domain/clock.js'
import type { Outcome } from '../../src/domain/outcome.js'
import { tagging } from '../../src/domain/tags.js'
import { openRawServer, type RawServer } from './raw-server.js'

export const KEY = 'tk_live_4f9a7c21d8e35b60'

/** A client and its server for the length of one test. */
export async function withApi(
  respond: string | ((socket: Socket, request: string) => void),
  use: (api: Api, server: RawServer) => Promise<void>,
  options: Partial<ApiOptions> = {},
): Promise<void> {
  const server = await openRawServer(typeof respond === 'string' ? (socket) => socket.write(respond) : respond)
  const api = openApi({ ...defaults(`${server.url}/v1/`), ...options })
  try {
    await use(api, server)
  } finally {
    await api.close()
    await server.close()
  }
}

/** The outcome of a call with this answer. */
export function answered(body: string): Extract<Outcome, { kind: 'answered' }> {
  const tracks = parseTracks(body) ?? []
  return { kind: 'answered', body, tracks: tracks.length, tagging: tagging(tracks) }
}

export function defaults(baseUrl: string): ApiOptions {
  return { baseUrl, apiKey: KEY, timeoutMs: 30_000, proxy: null, userAgent: 'test/1', clock: systemClock }
}
