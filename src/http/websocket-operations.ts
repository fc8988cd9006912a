import { randomUUID } from 'node:crypto'
import type { SubscribePayload } from 'graphql-ws'
import type { Logger } from 'pino'
import { beginExchange, type Exchange } from './exchange.ts'
import { outcomeOf, type RequestObserver } from './observer.ts'
import { logRequest, safeName } from './request-log.ts'
import type { RequestTracer } from './request-tracer.ts'

/** Who is told of operations, and who follows them; undefined: nobody. */
export interface Watchers {
  readonly observer?: RequestObserver | undefined
  readonly tracer?: RequestTracer | undefined
}

/** The operations that one socket's client waits for, by the payload of its message: ids can be used again. */
export class SocketOperations {
  readonly #log: Logger
  readonly #observer: RequestObserver | undefined
  readonly #tracer: RequestTracer | undefined
  readonly #open = new Map<SubscribePayload, { readonly exchange: Exchange; readonly left: AbortController }>()

  constructor(log: Logger, { observer, tracer }: Watchers) {
    this.#log = log
    this.#observer = observer
    this.#tracer = tracer
  }

  get size(): number {
    return this.#open.size
  }

  get streaming(): number {
    return [...this.#open.values()].filter(({ exchange }) => exchange.isStreaming).length
  }

  /** Of each operation that was sent an event, the last one's. */
  get cursors(): string[] {
    return [...this.#open.values()].flatMap(({ exchange: { cursor } }) => (cursor === undefined ? [] : [cursor]))
  }

  begin(payload: SubscribePayload): Exchange {
    const left = new AbortController()
    const exchange = beginExchange(randomUUID(), left.signal, this.#tracer)
    exchange.operationName = safeName(payload.operationName)
    this.#open.set(payload, { exchange, left })
    return exchange
  }

  find(payload: SubscribePayload): Exchange | undefined {
    return this.#open.get(payload)?.exchange
  }

  /** Writes the operation's line of the log; once. */
  end(payload: SubscribePayload, isComplete = true): void {
    const operation = this.#open.get(payload)
    this.#open.delete(payload)
    if (!operation) return
    const { exchange } = operation
    logRequest(this.#log, 'info', '/graphql', exchange, { isComplete })
    if (!exchange.isStreaming) this.#observer?.onAnswered(exchange, outcomeOf(exchange, isComplete))
  }

  /** The client has gone. */
  leave(): void {
    for (const [payload, { left }] of this.#open) {
      left.abort()
      this.end(payload, false)
    }
  }
}
