import { context, ROOT_CONTEXT, type Span, trace, type Tracer } from '@opentelemetry/api'
import type { ReadTracer } from '../../concurrency/shared-reads.ts'
import { startLinkedSpan } from './linked-span.ts'

/**
 * Traces reads by key. A read of one request, as most are, belongs to that request's trace without a span of its own. A
 * statement for several requests is a trace of its own, linked to each of them.
 */
export function createReadTracer(tracer: Tracer): ReadTracer {
  const spansOf = new WeakMap<object, Set<Span>>()

  return {
    note(asked) {
      const span = trace.getActiveSpan()
      if (!span?.isRecording()) return
      const spans = spansOf.get(asked)
      if (spans) spans.add(span)
      else spansOf.set(asked, new Set([span]))
    },
    async run(set, read) {
      const requests = [...new Set(set.flatMap((asked) => [...(spansOf.get(asked) ?? [])]))]
      const [only] = requests
      // Without a parent: the context that happens to be active belongs to an earlier read.
      if (!only) return context.with(ROOT_CONTEXT, read)
      if (requests.length === 1) return context.with(trace.setSpan(ROOT_CONTEXT, only), read)
      const span = startLinkedSpan(tracer, 'read set', { 'waymark.read_set.size': set.length }, requests)
      try {
        return await context.with(trace.setSpan(ROOT_CONTEXT, span), read)
      } finally {
        span.end()
      }
    },
  }
}
