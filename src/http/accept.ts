const served = ['text/event-stream', 'application/graphql-response+json', 'application/json'] as const
export type MediaType = (typeof served)[number]

/** Clients send one of few texts, and to take one apart is 1.3 % of a read: so many are remembered, which bounds what a caller can fill. */
const MOST_KNOWN = 64
const LONGEST_KNOWN = 200
const known = new Map<string, readonly MediaType[]>()

/**
 * What of an Accept header can be served, least preferred first; empty: nothing. Wildcards mean plain JSON. Judged before the
 * operation runs: to execute a mutation and then answer "not acceptable" would help nobody.
 */
export function acceptedMediaTypes(accept: string | undefined): readonly MediaType[] {
  if (accept === undefined || accept.trim() === '') return ['application/json']
  let mediaTypes = known.get(accept)
  if (mediaTypes === undefined) {
    mediaTypes = readAccept(accept)
    if (known.size < MOST_KNOWN && accept.length <= LONGEST_KNOWN) known.set(accept, mediaTypes)
  }
  return mediaTypes
}

function readAccept(accept: string): readonly MediaType[] {
  const asked = new Set(accept.split(',').map(mediaRange))
  if (asked.has('*/*') || asked.has('application/*')) asked.add('application/json')
  return served.filter((mediaType) => asked.has(mediaType))
}

function mediaRange(part: string): string | undefined {
  const [mediaType, ...parameters] = part.toLowerCase().replaceAll(/\s/g, '').split(';')
  return parameters.includes('q=0') ? undefined : mediaType
}
