/**
 * All open subscriptions, so that shutdown can end them: neither server.close() nor yoga.dispose() does. A stream that
 * is ended answers the waiting next() with "done", so that the response ends with `event: complete`.
 */
export class LiveStreams {
  readonly #streams = new Set<{ end(): void }>()
  #ended = false

  get size(): number {
    return this.#streams.size
  }

  /**
   * Passes the events of a source on, through `map`, until the source is done, the consumer returns, endAll() is called
   * or `signal` aborts. The signal is needed because a consumer cannot cancel a stream of which it has read nothing
   * yet.
   */
  track<Event>(source: AsyncIterable<Event>, map: (event: Event) => Event, signal: AbortSignal): LiveStream<Event> {
    const stream = new LiveStream(source[Symbol.asyncIterator](), map, () => this.#streams.delete(stream))
    this.#streams.add(stream)
    if (this.#ended || signal.aborted) stream.end()
    else signal.addEventListener('abort', () => stream.end(), { once: true })
    return stream
  }

  /** Ends all streams, and each one that is tracked later. */
  endAll(): void {
    this.#ended = true
    for (const stream of this.#streams) stream.end()
  }
}

/** A subscription's stream between its source and its consumer. */
export class LiveStream<Event> implements AsyncIterableIterator<Event> {
  readonly #source: AsyncIterator<Event>
  readonly #map: (event: Event) => Event
  readonly #onEnd: () => void
  readonly #over = new AbortController()
  /** The last event, if the stream is ended with one. */
  #last: IteratorResult<Event> | undefined
  /**
   * Settles the waiting next(). Promise.race with one long-lived promise would keep a reaction for each delivered
   * event.
   */
  #finishWaiting: (() => void) | undefined

  constructor(source: AsyncIterator<Event>, map: (event: Event) => Event, onEnd: () => void) {
    this.#source = source
    this.#map = map
    this.#onEnd = onEnd
  }

  /** Aborts when no more events come from the source. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Event>> {
    if (this.over.aborted) return Promise.resolve(this.#takeLast())
    return new Promise((resolve, reject) => {
      this.#finishWaiting = () => {
        this.#finishWaiting = undefined
        resolve(this.#takeLast())
      }
      this.#source
        .next()
        .then((turn) => {
          if (this.#finishWaiting === undefined) return
          this.#finishWaiting = undefined
          if (turn.done === true) this.#leave()
          resolve(turn.done === true ? turn : { done: false, value: this.#map(turn.value) })
        })
        .catch((error: unknown) => {
          this.#finishWaiting = undefined
          this.#leave()
          // Perhaps only `map` failed, and the source is still open.
          this.#source.return?.().catch(() => undefined)
          reject(error instanceof Error ? error : new Error(String(error)))
        })
    })
  }

  async return(): Promise<IteratorResult<Event>> {
    if (!this.over.aborted) {
      this.#leave()
      this.#finishWaiting?.()
      await this.#source.return?.()
    }
    return { done: true, value: undefined }
  }

  /** Ends the stream after one last event. */
  endWith(last: Event): void {
    if (this.over.aborted) return
    this.#last = { done: false, value: last }
    this.end()
  }

  end(): void {
    // The consumer does not wait for the source to clean up, and an error of that belongs to no answer.
    this.return().catch(() => undefined)
  }

  #leave(): void {
    this.#over.abort()
    this.#onEnd()
  }

  #takeLast(): IteratorResult<Event> {
    const last = this.#last
    this.#last = undefined
    return last ?? { done: true, value: undefined }
  }
}
