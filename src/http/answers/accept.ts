import { readWeights, remembering, type Weighted } from './quality-values.ts'

/** The media types that we serve. The first one is for clients without a preference. */
const served = ['application/json', 'application/graphql-response+json', 'text/event-stream'] as const
export type MediaType = (typeof served)[number]

/** Cached: parsing the Accept header each time took 1.3 % of a read's processor time. */
const readAccept = remembering(rank)

/**
 * The media types that an Accept header allows, the best first; empty: none that we serve. A higher q comes first, then
 * the type that the header names earlier. If several ranges match a type, the most specific one counts, so `q=0`
 * excludes a type beside a wildcard (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1). Without a header, and for
 * a wildcard, JSON comes first.
 *
 * Checked before the operation runs: running a mutation and then answering "not acceptable" would help nobody.
 */
export function acceptedMediaTypes(accept: string | undefined): readonly MediaType[] {
  return accept === undefined || accept.trim() === '' ? ['application/json'] : readAccept(accept)
}

/** Whether the client prefers an HTML page to data. A browser that opens an address does; other programs do not. */
export function prefersPage(accept: string | undefined): boolean {
  return accept !== undefined && readPreference(accept)
}

const readPreference = remembering((accept) => {
  const ranges = readWeights(accept)
  const page = ranges.findIndex(({ name }) => name === 'text/html')
  const weight = ranges[page]?.weight ?? 0
  const isBetter = (other: Place) => other.weight > weight || (other.weight === weight && other.position < page)
  return (
    weight > 0 &&
    !served
      .map((mediaType) => findRange(ranges, mediaType))
      .filter(isAccepted)
      .some(isBetter)
  )
})

interface Place {
  readonly weight: number
  /** The index of the range in the header. */
  readonly position: number
}

const isAccepted = ({ weight }: Place) => weight > 0

function rank(accept: string): readonly MediaType[] {
  const ranges = readWeights(accept)
  return served
    .map((mediaType) => ({ mediaType, ...findRange(ranges, mediaType) }))
    .filter(isAccepted)
    .sort((a, b) => b.weight - a.weight || a.position - b.position)
    .map(({ mediaType }) => mediaType)
}

function findRange(ranges: readonly Weighted[], mediaType: MediaType): Place {
  const [group = ''] = mediaType.split('/')
  // `*/*` does not include an event stream: few clients that accept anything can read one.
  const wildcards = mediaType === 'text/event-stream' ? ['text/*'] : [`${group}/*`, '*/*']
  for (const name of [mediaType, ...wildcards]) {
    const position = ranges.findIndex((range) => range.name === name)
    const range = ranges[position]
    if (range) return { weight: range.weight, position }
  }
  return { weight: 0, position: -1 }
}
