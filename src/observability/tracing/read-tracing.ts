import { context, ROOT_CONTEXT, type Span, trace, type Tracer } from '@opentelemetry/api'
import type { ReadTracer } from '../../concurrency/shared-reads.ts'
import { startLinkedSpan } from './linked-span.ts'

/**
 * What one request reads by key belongs to its trace, with no span between: most reads are so. What several read in one statement is
 * a trace of its own, linked with each of them.
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
      // Never where it happens to run, which is inside whatever was read before.
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
