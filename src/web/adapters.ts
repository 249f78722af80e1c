import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { deadLetterName, searchJobName } from './job-names.js'
import type { LiveMessage } from './live-message.js'

/**
 * How Bull Board sees the two queues. Pause and resume do not go to BullMQ, whose flag only follows our
 * pause rows, but to the same use cases as the command line. Everything else stays BullMQ's own: retry of a
 * dead letter makes its job run again, and the parking worker takes that as the wish to send it back.
 */

/** A BullMQ queue, as the adapter takes it: BullMQ itself is the queue room's affair. */
export type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0]

export interface BoardActions {
  pause(reason: string): Promise<void>
  resume(): Promise<void>
}

type Statuses = ReturnType<BullMQAdapter['getJobStatuses']>
type Tabs = ReturnType<BullMQAdapter['getStatuses']>

/** Where something is to be seen comes first; no job of ours has children. */
const SEARCH_TABS = ['prioritized', 'active', 'delayed', 'waiting', 'failed', 'completed'] as const
const DEAD_LETTER_TABS = ['failed', 'waiting', 'active', 'delayed', 'prioritized', 'completed'] as const

const PAUSE_REASON = 'paused in Bull Board'

/** Behind the sentence, where the page has room: it shows one line. */
const ABOUT_DEAD_LETTERS = 'Retry sends a search back; `trackyard-batch dead-letters discard` takes it off the list.'

export class SearchAdapter extends BullMQAdapter {
  readonly #actions: BoardActions
  readonly #sentence: LiveMessage

  constructor(queue: BoardQueue, parts: { actions: BoardActions; message: LiveMessage; readOnly: boolean }) {
    // A failed search is moved to the dead letters within seconds, and a completed one is paid for: no Retry here.
    super(queue, { displayName: 'Searches', readOnlyMode: parts.readOnly, allowRetries: false })
    this.#actions = parts.actions
    this.#sentence = parts.message
    this.setFormatter('name', searchJobName)
  }

  override getDescription(): string {
    return this.#sentence.current()
  }

  override pause(): Promise<void> {
    return this.#actions.pause(PAUSE_REASON)
  }

  override resume(): Promise<void> {
    return this.#actions.resume()
  }

  override getJobStatuses(): Statuses {
    return [...SEARCH_TABS]
  }

  override getStatuses(): Tabs {
    return ['latest', ...SEARCH_TABS]
  }

  /** The pace is learned from the API: hides the form that would set another. */
  override get supportsGlobalRateLimit(): boolean {
    return false
  }
}

export class DeadLetterAdapter extends BullMQAdapter {
  readonly #sentence: LiveMessage

  constructor(queue: BoardQueue, parts: { message: LiveMessage; readOnly: boolean }) {
    super(queue, { displayName: 'Dead letters', readOnlyMode: parts.readOnly })
    this.#sentence = parts.message
    this.setFormatter('name', deadLetterName)
  }

  override getDescription(): string {
    return `${this.#sentence.current()} ${ABOUT_DEAD_LETTERS}`
  }

  /** Called by "pause all" only: dead letters make no calls, and a paused parking worker would swallow Retry. */
  override async pause(): Promise<void> {}

  override getJobStatuses(): Statuses {
    return [...DEAD_LETTER_TABS]
  }

  override getStatuses(): Tabs {
    return ['latest', ...DEAD_LETTER_TABS]
  }

  override get supportsGlobalRateLimit(): boolean {
    return false
  }
}
