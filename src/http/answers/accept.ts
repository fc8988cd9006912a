import { readWeights, remembering, type Weighted } from './quality-values.ts'

/** What an answer can be, the one for clients without a preference first. */
const served = ['application/json', 'application/graphql-response+json', 'text/event-stream'] as const
export type MediaType = (typeof served)[number]

/** To take an Accept header apart each time was 1.3 % of a read's processor time. */
const readAccept = remembering(rank)

/**
 * Which of the media types that we serve an Accept header allows, the best first; empty: none. A higher q goes first, then what
 * was named earlier. Of several ranges that match a type the most specific one counts, so `q=0` excludes one beside a wildcard
 * (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1). Without a header, and for a wildcard, JSON goes first.
 * Judged before the operation runs: to execute a mutation and then answer "not acceptable" would help nobody.
 */
export function acceptedMediaTypes(accept: string | undefined): readonly MediaType[] {
  return accept === undefined || accept.trim() === '' ? ['application/json'] : readAccept(accept)
}

/** Whether a page is wanted rather than data: what tells a browser that opens an address from a program. */
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
  /** Where in the header the range stands. */
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
  // Who asks for anything can rarely read a stream of events: those must be asked for.
  const wildcards = mediaType === 'text/event-stream' ? ['text/*'] : [`${group}/*`, '*/*']
  for (const name of [mediaType, ...wildcards]) {
    const position = ranges.findIndex((range) => range.name === name)
    const range = ranges[position]
    if (range) return { weight: range.weight, position }
  }
  return { weight: 0, position: -1 }
}
