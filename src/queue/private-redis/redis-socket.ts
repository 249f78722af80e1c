import { connect } from 'node:net'

/**
 * What a server at a unix socket is doing.
 * - `absent`: nothing listens (no file, or a file whose server is gone).
 * - `silent`: something listens and does not answer: frozen. Never start a second server beside it.
 * - `loading`: it reads its append-only file.
 * - `up`: it answers.
 */
export type SocketState =
  | { readonly state: 'absent' | 'silent' | 'loading' }
  | { readonly state: 'up'; readonly pid: number }

const ANSWERS_WITHIN_MS = 5000

/** Asks without a client library: one connection, one command. */
export async function stateOf(socketPath: string): Promise<SocketState> {
  const reply = await ask(socketPath, 'INFO')
  if (reply === 'absent' || reply === 'silent') return { state: reply }
  // Redis answers INFO while it loads, and loading may still fail.
  if (reply.startsWith('-LOADING') || /^loading:1\r?$/m.test(reply)) return { state: 'loading' }
  return { state: 'up', pid: Number(/process_id:(\d+)/.exec(reply)?.[1] ?? 0) }
}

/** Asks the server to write its data to disk and exit. */
export async function askToEnd(socketPath: string): Promise<void> {
  await ask(socketPath, 'SHUTDOWN')
}

/** Asks the server to write no more changes to its disk. */
export async function keepInMemory(socketPath: string): Promise<void> {
  await ask(socketPath, 'CONFIG SET appendonly no')
}

/** Sends one command. @returns the beginning of the reply: a line, or a bulk string; `absent` or `silent` without one */
export function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    let reply = ''
    let reached = false
    const finish = (answer: string) => {
      clearTimeout(alarm)
      socket.destroy()
      resolve(answer)
    }
    // If this process was held up, by the lock of the store, the answer is there and is read first.
    const alarm = setTimeout(() => setImmediate(finish, 'silent'), ANSWERS_WITHIN_MS)
    socket.on('connect', () => {
      reached = true
      socket.write(`${command}\r\n`)
    })
    socket.on('data', (chunk) => {
      // latin1 keeps one character per byte: a bulk string's length counts bytes, and INFO contains paths.
      reply += chunk.toString('latin1')
      if (isWhole(reply)) finish(reply)
    })
    socket.on('error', () => finish(reached ? 'silent' : 'absent'))
    socket.on('close', () => {
      if (reply === '') finish('absent')
      else finish(isWhole(reply) ? reply : 'silent')
    })
  })
}

/** True for an error or status line, or for a bulk string with all its bytes. */
function isWhole(reply: string): boolean {
  const bulk = /^\$(\d+)\r\n/.exec(reply)
  return bulk === null ? reply.endsWith('\r\n') : reply.length >= bulk[0].length + Number(bulk[1]) + 2
}
