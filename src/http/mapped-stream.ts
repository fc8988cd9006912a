/** A stream whose items are made of another's. A class: an async generator keeps its source open until the next item comes. */
export class MappedStream<From, To> implements AsyncIterableIterator<To> {
  readonly #source: AsyncIterator<From>
  readonly #map: (item: From) => To | Promise<To>

  constructor(source: AsyncIterable<From>, map: (item: From) => To | Promise<To>) {
    this.#source = source[Symbol.asyncIterator]()
    this.#map = map
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<To>> {
    const turn = await this.#source.next()
    return turn.done === true ? turn : { done: false, value: await this.#map(turn.value) }
  }

  async return(): Promise<IteratorResult<To>> {
    await this.#source.return?.()
    return { done: true, value: undefined }
  }
}
