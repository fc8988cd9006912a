const mostDocuments = 256
const longestCachedDocument = 10_000

/**
 * Parsed documents by their text, the least recently used dropped first. yoga's own keeps 1,024 of any length: as many different
 * documents of 1 MiB fill the memory. A longer document than 10,000 characters is parsed each time.
 */
export class DocumentCache<Parsed extends object> {
  readonly #parsed = new Map<string, Parsed>()

  get(text: string): Parsed | undefined {
    const parsed = this.#parsed.get(text)
    if (parsed === undefined) return undefined
    this.#parsed.delete(text)
    this.#parsed.set(text, parsed)
    return parsed
  }

  set(text: string, parsed: Parsed): void {
    if (text.length > longestCachedDocument) return
    this.#parsed.set(text, parsed)
    const [leastRecent] = this.#parsed.keys()
    if (this.#parsed.size > mostDocuments && leastRecent !== undefined) this.#parsed.delete(leastRecent)
  }
}
