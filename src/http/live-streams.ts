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
  track<Event>(
    source: AsyncIterable<Event>,
    map: (event: Event) => Event,
    signal: AbortSignal,
  ): AsyncIterableIterator<Event> {
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

class LiveStream<Event> implements AsyncIterableIterator<Event> {
  readonly #source: AsyncIterator<Event>
  readonly #map: (event: Event) => Event
  readonly #onEnd: () => void
  #isOver = false
  /** Settles the waiting next(). Promise.race with one long-lived promise would keep a reaction for each event delivered. */
  #finishWaiting: (() => void) | undefined

  constructor(source: AsyncIterator<Event>, map: (event: Event) => Event, onEnd: () => void) {
    this.#source = source
    this.#map = map
    this.#onEnd = onEnd
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Event>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#finishWaiting = () => {
        resolve({ done: true, value: undefined })
      }
      this.#source
        .next()
        .then((turn) => {
          if (turn.done === true) this.#leave()
          resolve(turn.done === true ? turn : { done: false, value: this.#map(turn.value) })
        })
        .catch((error: unknown) => {
          this.#leave()
          reject(error instanceof Error ? error : new Error(String(error)))
        })
    })
  }

  async return(): Promise<IteratorResult<Event>> {
    if (!this.#isOver) {
      this.#leave()
      this.#finishWaiting?.()
      await this.#source.return?.()
    }
    return { done: true, value: undefined }
  }

  end(): void {
    // The consumer is not waiting for the source to clean up, and a source that fails to is nobody's answer.
    this.return().catch(() => undefined)
  }

  #leave(): void {
    this.#isOver = true
    this.#onEnd()
  }
}
