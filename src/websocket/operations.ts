import { randomUUID } from 'node:crypto'
import type { SubscribePayload } from 'graphql-ws'
import type { Logger } from 'pino'
import { beginExchange, Departure, type Exchange } from '../operations/exchange/exchange.ts'
import { outcomeOf, type RequestObserver } from '../operations/exchange/observer.ts'
import { logRequest, safeName } from '../operations/exchange/request-log.ts'
import type { LiveStreams } from '../operations/streams/live-streams.ts'

/** The observer of operations, and the open streams. */
export interface Watchers {
  readonly observer?: RequestObserver | undefined
  /** The open subscriptions. */
  readonly streams: LiveStreams
}

/** The running operations of one socket, by the payload of their messages, since a client may use an ID again. */
export class SocketOperations {
  readonly #log: Logger
  readonly #observer: RequestObserver | undefined
  readonly #streams: LiveStreams
  readonly #open = new Map<SubscribePayload, Exchange>()
  readonly #onPrepared = new WeakMap<SubscribePayload, () => void>()

  constructor(log: Logger, { observer, streams }: Watchers) {
    this.#log = log
    this.#observer = observer
    this.#streams = streams
  }

  get size(): number {
    return this.#open.size
  }

  get streaming(): number {
    return [...this.#open.values()].filter(({ isStreaming }) => isStreaming).length
  }

  /** The cursor of the last event that was sent, for each operation that was sent one. */
  get cursors(): string[] {
    return [...this.#open.values()].flatMap(({ cursor }) => (cursor === undefined ? [] : [cursor]))
  }

  begin(payload: SubscribePayload): Exchange {
    const exchange = beginExchange(randomUUID(), new Departure(), this.#streams)
    exchange.operationName = safeName(payload.operationName)
    this.#open.set(payload, exchange)
    return exchange
  }

  find(payload: SubscribePayload): Exchange | undefined {
    return this.#open.get(payload)
  }

  /** Resolves when the operation is prepared and its message is empty. Never, if it is refused before it begins. */
  untilPrepared(payload: SubscribePayload): Promise<void> {
    return new Promise((resolve) => {
      this.#onPrepared.set(payload, resolve)
    })
  }

  onPrepared(payload: SubscribePayload): void {
    this.#onPrepared.get(payload)?.()
  }

  /** Ends an operation: logs and counts it. A second call does nothing. */
  end(payload: SubscribePayload, isComplete = true): void {
    const exchange = this.#open.get(payload)
    this.#open.delete(payload)
    if (!exchange) return
    logRequest(this.#log, 'info', '/graphql', exchange, { isComplete })
    if (!exchange.isStreaming) this.#observer?.onAnswered(exchange, outcomeOf(exchange, isComplete))
  }

  /** Ends all operations, because the client has gone. */
  leave(): void {
    for (const [payload, { departure }] of this.#open) {
      departure.leave()
      this.end(payload, false)
    }
  }
}
