/**
 * Every call of POST /search that reached the server, and what it was charged. System tests compare it with the client's
 * ledger, since only the server knows what was paid.
 */
export interface LoggedCall {
  /** From 1, in order of arrival. */
  readonly number: number
  /** Empty when the request had none. */
  readonly query: string
  /** The request's JSON as received; its text if it was not JSON. */
  readonly request: unknown
  /** The canonical text of the search, by which `paidTwice` counts. */
  readonly canonical: string
  /** `key-1`, …; `unknown` or `none`. Never the key. */
  readonly keyId: string
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** How many calls were open when this one arrived, including itself. */
  readonly openCalls: number
  /** Null: no status was sent (yet). */
  readonly status: number | null
  readonly charged: 0 | 1
  readonly finished: CallEnd
  /** When the last byte was handed over or the connection ended; null while open. */
  readonly answeredAt: number | null
  /** The fault rule that applied. */
  readonly fault: string | null
}

/** - `cut`: by the simulator. `hung`: never answered, by a rule. `abandoned`: the caller left before the answer was sent. */
export type CallEnd = 'open' | 'answered' | 'cut' | 'hung' | 'abandoned'

export interface CallsSummary {
  readonly calls: number
  readonly paid: number
  /** Texts of the searches that were paid for more than once. */
  readonly paidTwice: readonly string[]
  /** `200`, `429`, …; `none` where no status was sent. */
  readonly byStatus: Readonly<Record<string, number>>
  readonly open: number
  readonly mostOpen: number
}

export type CallLog = ReturnType<typeof createCallLog>

export type OpenCall = ReturnType<CallLog['arrived']>

interface Waiter {
  readonly count: number
  readonly done: (error?: Error) => void
}

export function createCallLog() {
  const calls: LoggedCall[] = []
  const timesPaid = new Map<string, number>()
  const twice = new Set<string>()
  const waiters = new Set<Waiter>()
  let paid = 0
  let open = 0
  let mostOpen = 0

  return {
    arrived(received: Pick<LoggedCall, 'query' | 'request' | 'canonical' | 'keyId' | 'receivedAt'>) {
      open += 1
      mostOpen = Math.max(mostOpen, open)
      const call: { -readonly [K in keyof LoggedCall]: LoggedCall[K] } = {
        number: calls.length + 1,
        ...received,
        openCalls: open,
        status: null,
        charged: 0,
        finished: 'open',
        answeredAt: null,
        fault: null,
      }
      calls.push(call)
      for (const waiter of waiters) if (calls.length >= waiter.count) waiter.done()
      return {
        charged: () => call.charged,
        charge(): void {
          if (call.charged === 1) return
          call.charged = 1
          paid += 1
          const times = (timesPaid.get(call.canonical) ?? 0) + 1
          timesPaid.set(call.canonical, times)
          if (times > 1) twice.add(call.canonical)
        },
        applyFault(fault: string): void {
          call.fault = fault
        },
        /** The status line was sent. */
        answering(status: number): void {
          call.status = status
        },
        /** Only the first end counts. */
        end(how: Exclude<CallEnd, 'open'>): void {
          if (call.finished !== 'open') return
          call.finished = how
          call.answeredAt = how === 'hung' ? null : Date.now()
          open -= 1
        },
      }
    },
    calls: (): readonly LoggedCall[] => calls,
    paid: () => paid,
    paidTwice: () => [...twice],
    summary(): CallsSummary {
      const byStatus: Record<string, number> = {}
      for (const { status } of calls) byStatus[status ?? 'none'] = (byStatus[status ?? 'none'] ?? 0) + 1
      return { calls: calls.length, paid, paidTwice: [...twice], byStatus, open, mostOpen }
    },
    /** @throws Error when fewer than `count` calls have arrived in time. */
    waitForCalls(count: number, timeoutMs: number): Promise<void> {
      if (calls.length >= count) return Promise.resolve()
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          count,
          done(error) {
            clearTimeout(timer)
            waiters.delete(waiter)
            if (error === undefined) resolve()
            else reject(error)
          },
        }
        const timer = setTimeout(() => {
          waiter.done(new Error(`waited ${timeoutMs} ms for ${count} calls at the simulator, saw ${calls.length}`))
        }, timeoutMs)
        waiters.add(waiter)
      })
    },
    /** Waits end with an error. */
    close(): void {
      const error = new Error(`the simulator closed after ${calls.length} calls`)
      for (const waiter of waiters) waiter.done(error)
    },
  }
}
