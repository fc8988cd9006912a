/**
 * Every subscription that is being answered, so that shutdown can end them: neither server.close() nor yoga.dispose() does.
 * A stream that is ended says "done" to whoever waits for its next event, so that the answer ends with `event: complete`.
 */
export class LiveStreams {
  readonly #streams = new Set<{ end(): void }>()
  #ended = false

  get size(): number {
    return this.#streams.size
  }

  /**
   * Passes a source on, through `map`, until it is done, its consumer returns, endAll(), or `signal` aborts: a stream of which
   * nothing was read yet can't be cancelled by its consumer.
   */
  track<Event>(source: AsyncIterable<Event>, map: (event: Event) => Event, signal: AbortSignal): LiveStream<Event> {
    const stream = new LiveStream(source[Symbol.asyncIterator](), map, () => this.#streams.delete(stream))
    this.#streams.add(stream)
    if (this.#ended || signal.aborted) stream.end()
    else signal.addEventListener('abort', () => stream.end(), { once: true })
    return stream
  }

  /** Ends each stream, and each that is tracked from now on. */
  endAll(): void {
    this.#ended = true
    for (const stream of this.#streams) stream.end()
  }
}

/** A stream on its way to its consumer. */
export class LiveStream<Event> implements AsyncIterableIterator<Event> {
  readonly #source: AsyncIterator<Event>
  readonly #map: (event: Event) => Event
  readonly #onEnd: () => void
  readonly #over = new AbortController()
  /** What is told last, where it is ended with something. */
  #last: IteratorResult<Event> | undefined
  /** Settles the waiting next(). Promise.race with one long-lived promise would keep a reaction for each event delivered. */
  #finishWaiting: (() => void) | undefined

  constructor(source: AsyncIterator<Event>, map: (event: Event) => Event, onEnd: () => void) {
    this.#source = source
    this.#map = map
    this.#onEnd = onEnd
  }

  /** Aborts when nothing more comes from the source. */
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
          // It may be that only what was made of its event failed.
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

  /** Ends it as end() does, after one last event. */
  endWith(last: Event): void {
    if (this.over.aborted) return
    this.#last = { done: false, value: last }
    this.end()
  }

  end(): void {
    // The consumer is not waiting for the source to clean up, and a source that fails to is nobody's answer.
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
