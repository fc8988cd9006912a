import { type Attributes, ROOT_CONTEXT, type Span, type Tracer } from '@opentelemetry/api'

/**
 * Starts a span of work that several requests share. A span cannot have several parents. So it begins a trace of its
 * own, and it and the requests link to each other.
 */
export function startLinkedSpan(tracer: Tracer, name: string, attributes: Attributes, requests: readonly Span[]): Span {
  const links = requests.map((request) => ({ context: request.spanContext() }))
  const span = tracer.startSpan(name, { attributes, links }, ROOT_CONTEXT)
  for (const request of requests) request.addLink({ context: span.spanContext() })
  return span
}
