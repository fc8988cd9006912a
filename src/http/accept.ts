const served = ['text/event-stream', 'application/graphql-response+json', 'application/json'] as const
export type MediaType = (typeof served)[number]

/**
 * What of an Accept header can be served, least preferred first; empty: nothing. Wildcards mean plain JSON. Judged before the
 * operation runs: to execute a mutation and then answer "not acceptable" would help nobody.
 */
export function acceptedMediaTypes(accept: string | undefined): readonly MediaType[] {
  if (accept === undefined || accept.trim() === '') return ['application/json']
  const asked = new Set(accept.split(',').map(mediaRange))
  if (asked.has('*/*') || asked.has('application/*')) asked.add('application/json')
  return served.filter((mediaType) => asked.has(mediaType))
}

function mediaRange(part: string): string | undefined {
  const [mediaType, ...parameters] = part.toLowerCase().replaceAll(/\s/g, '').split(';')
  return parameters.includes('q=0') ? undefined : mediaType
}
