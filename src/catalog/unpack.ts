import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { errorCode } from '../domain/error-code.js'
import { UsageError } from '../domain/errors.js'

const CHUNK_BYTES = 256 * 1024

export function isGzip(head: Buffer): boolean {
  return head[0] === 0x1f && head[1] === 0x8b && head[2] === 8
}

/**
 * The content of a gzip file, also of several put together. It is never there as a whole, so a file that unpacks
 * to a thousand times its size takes time but no memory.
 */
export async function* unpacked(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES })
  // What fails on the way is thrown where the content is read.
  pipeline(Readable.from(chunks), gunzip, () => {})
  try {
    for await (const chunk of gunzip) yield chunk as Buffer
  } catch (error) {
    throw packedReason(error, name)
  }
}

function packedReason(error: unknown, name: string): unknown {
  switch (errorCode(error)) {
    case 'Z_BUF_ERROR':
      return new UsageError(`${name}: expected a whole gzip file, found one that is cut off. Fetch or pack it again.`)
    case 'Z_DATA_ERROR':
    case 'Z_NEED_DICT':
      return new UsageError(`${name}: expected a gzip file, found a damaged one. Fetch or pack it again.`)
    default:
      return error
  }
}
