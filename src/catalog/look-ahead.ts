/** Pieces of which the first bytes are looked at before they are read. */
export interface LookAhead {
  /** At least so many bytes, unless there are no more. */
  peek(bytes: number): Promise<{ readonly text: string; readonly isAll: boolean }>
  /** So many bytes of what was looked at are not read. */
  drop(bytes: number): void
  rest(): AsyncGenerator<Buffer, void, undefined>
}

export function lookAhead(pieces: AsyncIterable<Buffer>): LookAhead {
  const source = pieces[Symbol.asyncIterator]()
  let held: Buffer[] = []
  let heldBytes = 0
  let isAll = false
  return {
    async peek(bytes) {
      while (!isAll && heldBytes < bytes) {
        const next = await source.next()
        if (next.done) isAll = true
        else {
          held.push(next.value)
          heldBytes += next.value.length
        }
      }
      return { text: Buffer.concat(held).toString('utf8'), isAll }
    },
    drop(bytes) {
      const rest = Buffer.concat(held).subarray(bytes)
      held = rest.length === 0 ? [] : [rest]
      heldBytes = rest.length
    },
    async *rest() {
      try {
        while (held.length > 0) {
          const [first, ...others] = held
          held = others
          if (first !== undefined) yield first
        }
        for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
      } finally {
        await source.return?.()
      }
    },
  }
}
