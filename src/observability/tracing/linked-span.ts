import { type Attributes, ROOT_CONTEXT, type Span, type Tracer } from '@opentelemetry/api'

/**
 * A span of work that several requests share. It can't have several parents: it is a trace of its own, with a link to each of them, and
 * each of them has a link to it.
 */
export function startLinkedSpan(tracer: Tracer, name: string, attributes: Attributes, requests: readonly Span[]): Span {
  const links = requests.map((request) => ({ context: request.spanContext() }))
  const span = tracer.startSpan(name, { attributes, links }, ROOT_CONTEXT)
  for (const request of requests) request.addLink({ context: span.spanContext() })
  return span
}
