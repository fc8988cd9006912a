/** The reader of a stream, for the code that makes its items. */
export class Reader {
  #hasLeft = false
  /** Called once, when the reader leaves. One is enough: a stream makes one item at a time. */
  onLeave: (() => void) | undefined

  get hasLeft(): boolean {
    return this.#hasLeft
  }

  leave(): void {
    this.#hasLeft = true
    this.onLeave?.()
    this.onLeave = undefined
  }
}

/**
 * A stream whose items are made from those of another. It is a class, because an async generator keeps its source open
 * until the next item comes.
 */
export class MappedStream<From, To> implements AsyncIterableIterator<To> {
  readonly #source: AsyncIterator<From>
  readonly #map: (item: From, reader: Reader) => To | Promise<To>
  readonly #reader = new Reader()

  /** @param map makes an item; for a reader that has left, its result is dropped */
  constructor(source: AsyncIterable<From>, map: (item: From, reader: Reader) => To | Promise<To>) {
    this.#source = source[Symbol.asyncIterator]()
    this.#map = map
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<To>> {
    const turn = await this.#source.next()
    return turn.done === true ? turn : { done: false, value: await this.#map(turn.value, this.#reader) }
  }

  async return(): Promise<IteratorResult<To>> {
    this.#reader.leave()
    await this.#source.return?.()
    return { done: true, value: undefined }
  }
}
