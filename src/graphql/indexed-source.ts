import { type GraphQLError, Source, type SourceLocation } from 'graphql'

/** Of one error: a circle of fragments names each of them. */
const MOST_LOCATIONS = 20

/**
 * A document's text, with an index of its lines. graphql-js looks through the text from its beginning for the place of
 * each error: 100 errors behind 500,000 line breaks took it 4 s. Nothing else reads the text once the document is
 * parsed, so it is then hidden from graphql-js, whose errors have right offsets and wrong lines from then on.
 * locationsOf has the right lines.
 */
export class IndexedSource extends Source {
  readonly #text: string
  #lineStarts: readonly number[] | undefined

  constructor(text: string) {
    super(text)
    this.#text = text
  }

  /** To be called when the document is parsed. */
  hideText(): void {
    this.body = ''
  }

  /** @param offset in UTF-16 units from the beginning, as in GraphQLError.positions */
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

/** Where in the document an error is, 20 places at the most; undefined: nowhere. */
export function locationsOf({ source, positions, locations }: GraphQLError): readonly SourceLocation[] | undefined {
  const indexed = source instanceof IndexedSource ? source : undefined
  if (!indexed || !positions) return locations
  return positions.slice(0, MOST_LOCATIONS).map((offset) => indexed.locationAt(offset))
}
