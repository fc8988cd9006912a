import { type GraphQLError, Source, type SourceLocation } from 'graphql'

/** The most locations of one error: an error about a circle of fragments names each of them. */
const MOST_LOCATIONS = 20

/**
 * A document's text with an index of its lines. graphql-js searches the text from its beginning for the location of
 * each error: 100 errors behind 500,000 line breaks took it 4 s. Nothing else reads the text once the document is
 * parsed, so hideText() hides it from graphql-js. From then on its errors have right offsets and wrong lines;
 * locationsOf gives the right lines.
 */
export class IndexedSource extends Source {
  readonly #text: string
  #lineStarts: readonly number[] | undefined

  constructor(text: string) {
    super(text)
    this.#text = text
  }

  /** Call it when the document is parsed. */
  hideText(): void {
    this.body = ''
  }

  /** @param offset UTF-16 units from the beginning, as in GraphQLError.positions */
  locationAt(offset: number): SourceLocation {
    const starts = this.#index()
    let [first, last] = [0, starts.length - 1]
    while (first < last) {
      const middle = Math.ceil((first + last) / 2)
      if ((starts[middle] ?? 0) <= offset) first = middle
      else last = middle - 1
    }
    return { line: first + 1, column: offset - (starts[first] ?? 0) + 1 }
  }

  /** The inverse of locationAt. */
  offsetOf({ line, column }: SourceLocation): number {
    return (this.#index()[line - 1] ?? 0) + column - 1
  }

  #index(): readonly number[] {
    this.#lineStarts ??= [
      0,
      ...Array.from(this.#text.matchAll(/\r\n|[\n\r]/g), (found) => found.index + found[0].length),
    ]
    return this.#lineStarts
  }
}

/** The locations of an error in the document, at most 20. @returns undefined if the error has none */
export function locationsOf({ source, positions, locations }: GraphQLError): readonly SourceLocation[] | undefined {
  const indexed = source instanceof IndexedSource ? source : undefined
  if (!indexed || !positions) return locations
  return positions.slice(0, MOST_LOCATIONS).map((offset) => indexed.locationAt(offset))
}
