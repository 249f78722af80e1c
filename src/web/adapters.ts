import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { formatNumber } from '../domain/format.js'
import { SHOWN_DEAD_LETTERS } from '../maintenance/dead-letter-mover.js'
import { deadLetterName, searchJobName } from './job-names.js'
import type { LiveMessage } from './live-message.js'

/**
 * How Bull Board sees the two queues. Pause and resume call the same use cases as the command line,
 * because BullMQ's own flag only follows the store's pauses. Everything else is BullMQ's own.
 * Retrying a dead letter makes its job run again, and the dead letter worker then sends the search
 * back.
 */

/** A BullMQ queue, in the type that the adapter expects. Only `queue/` may import BullMQ. */
export type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0]

/** They are done once they are in the store, also while Redis does not answer. */
export interface BoardActions {
  pause(reason: string): Promise<void>
  resume(): Promise<void>
}

type Status = ReturnType<BullMQAdapter['getJobStatuses']>[number]

const PAUSE_REASON = 'paused in Bull Board'

/** Appended to the status message where the page has room: it shows one line. */
const ABOUT_DEAD_LETTERS = `The newest ${formatNumber(SHOWN_DEAD_LETTERS)} are here; the page /dead-letters has all. Retry sends a search back; \`trackyard-batch dead-letters discard\` removes it from the list.`

abstract class Adapter extends BullMQAdapter {
  /** The most useful tabs first. No job of ours has children. */
  protected abstract readonly tabs: readonly Status[]

  override getJobStatuses(): Status[] {
    return [...this.tabs]
  }

  override getStatuses(): ReturnType<BullMQAdapter['getStatuses']> {
    return ['latest', ...this.tabs]
  }

  /** The rate limit is learned from the API. This hides the form that would set another one. */
  override get supportsGlobalRateLimit(): boolean {
    return false
  }
}

export class SearchAdapter extends Adapter {
  protected readonly tabs = ['prioritized', 'active', 'delayed', 'waiting', 'failed', 'completed'] as const
  readonly #actions: BoardActions
  readonly #message: LiveMessage

  constructor(queue: BoardQueue, parts: { actions: BoardActions; message: LiveMessage; readOnly: boolean }) {
    // A failed search moves to the dead letters within seconds, and a completed one is paid for. No
    // Retry here.
    super(queue, { displayName: 'Searches', readOnlyMode: parts.readOnly, allowRetries: false })
    this.#actions = parts.actions
    this.#message = parts.message
    this.setFormatter('name', searchJobName)
  }

  override getDescription(): string {
    return this.#message.current()
  }

  override pause(): Promise<void> {
    return this.#actions.pause(PAUSE_REASON)
  }

  override resume(): Promise<void> {
    return this.#actions.resume()
  }
}

export class DeadLetterAdapter extends Adapter {
  protected readonly tabs = ['failed', 'waiting', 'active', 'delayed', 'prioritized', 'completed'] as const
  readonly #message: LiveMessage

  constructor(queue: BoardQueue, parts: { message: LiveMessage; readOnly: boolean }) {
    super(queue, { displayName: 'Dead letters', readOnlyMode: parts.readOnly })
    this.#message = parts.message
    this.setFormatter('name', deadLetterName)
  }

  override getDescription(): string {
    return `${this.#message.current()} ${ABOUT_DEAD_LETTERS}`
  }

  /**
   * Called only by "pause all". Dead letters make no calls, and a paused dead letter worker would
   * ignore Retry.
   */
  override async pause(): Promise<void> {}
}
