import { connect } from 'node:net'

/** From Redis's INFO. */
export interface RedisMemory {
  readonly usedBytes: number
  /** Keys in database 0; nearly all of them are jobs. */
  readonly keys: number
}

export async function redisMemory(socketPath: string): Promise<RedisMemory> {
  const info = await ask(socketPath, 'INFO')
  const number = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0)
  return { usedBytes: number(/^used_memory:(\d+)/m), keys: number(/^db0:keys=(\d+)/m) }
}

/** Sends one command whose reply is one bulk string. */
function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => socket.write(`${command}\r\n`))
    let reply = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      reply += chunk
      const size = /^\$(\d+)\r\n/.exec(reply)
      if (size !== null && reply.length < size[0].length + Number(size[1]) + 2) return
      socket.destroy()
      resolve(reply)
    })
    socket.once('error', reject)
  })
}
