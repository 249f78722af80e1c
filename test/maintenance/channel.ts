import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openWebhook } from '../../src/maintenance/webhook.js'
import { recordingLogger } from '../support/recording-logger.js'

/** A chat channel: writes down what was posted, and answers as it is told. */
export interface Channel {
  readonly url: string
  readonly posts: {
    readonly method: string
    readonly path: string
    readonly headers: IncomingMessage['headers']
    readonly raw: string
    readonly body: unknown
  }[]
  /** Statuses of the next answers, HANGS for none; 200 afterwards. */
  readonly answers: number[]
  /** Headers of every answer but 200. */
  readonly refusalHeaders: Record<string, string>
  close(): Promise<void>
}

export const HANGS = 0

export async function openChannel(): Promise<Channel> {
  const posts: Channel['posts'] = []
  const answers: number[] = []
  const refusalHeaders: Record<string, string> = {}
  const server = createServer(async (request: IncomingMessage, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    posts.push({
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      raw: text,
      body: text === '' ? null : (JSON.parse(text) as unknown),
    })
    const status = answers.shift() ?? 200
    if (status !== HANGS) response.writeHead(status, status === 200 ? {} : refusalHeaders).end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hooks/T0P-SECRET`,
    posts,
    answers,
    refusalHeaders,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** A stored notification with this text. */
export const stored = (text: string, id = 7) =>
  ({
    id,
    text,
    createdAt: Date.UTC(2026, 2, 1),
    event: 'batch.done',
    batch: { id: 3, name: 'night' },
    figures: { rows: 4 },
  }) as const

export const webhookAt = (url: string, more: Partial<Parameters<typeof openWebhook>[0]> = {}) =>
  openWebhook({
    url,
    proxy: null,
    userAgent: 'trackyard-batch/test',
    secret: null,
    boardUrl: null,
    timeoutMs: 120_000,
    log: recordingLogger(),
    now: Date.now,
    ...more,
  })
