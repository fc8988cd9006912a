/**
 * Finds where an incremental crawl may stop: three neighbours of the list that are neighbours in `untilItemIds` too, in
 * the same order; two, where it holds two. One alone proves nothing: a pinned item, or one that was bookmarked again.
 */
export class Anchors {
  readonly #until: readonly string[]
  readonly #size: number
  /** The last items that were seen. The neighbours may stand on two pages. */
  #above: readonly string[]

  /** @param above the item right above the first page, where it is known */
  constructor(until: readonly string[], above: string | null) {
    this.#until = until
    this.#size = Math.min(3, until.length)
    this.#above = above === null ? [] : [above]
  }

  /**
   * Looks at the next page.
   * @returns how many items of the page stand above an anchor; undefined: there is none
   */
  countAbove(ids: readonly string[]): number | undefined {
    const seen = [...this.#above, ...ids]
    const first = this.#above.length
    this.#above = seen.slice(-2)
    if (this.#size < 2) return undefined
    const at = seen.findIndex((_, place) => this.#isRun(seen.slice(place, place + this.#size), this.#size))
    return at === -1 ? undefined : Math.max(at - first, 0)
  }

  /** Whether the last items may be the beginning of an anchor: a token that leads below them would lead past it. */
  get mayHaveBegun(): boolean {
    if (this.#size < 2) return false
    const last = this.#above.slice(1 - this.#size)
    return last.some((_, place) => this.#isRun(last.slice(place), last.length - place))
  }

  /** Whether these follow each other in `until`, with room for the rest of an anchor. */
  #isRun(ids: readonly string[], length: number): boolean {
    const place = this.#until.indexOf(ids[0] ?? '')
    if (place === -1 || place + this.#size > this.#until.length || ids.length !== length) return false
    return ids.every((id, next) => id === this.#until[place + next])
  }
}
