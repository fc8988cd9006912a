import { context, ROOT_CONTEXT, type Span, trace, type Tracer } from '@opentelemetry/api'
import type { Submit } from '../../concurrency/group-commit.ts'
import { startLinkedSpan } from './linked-span.ts'

type WriteSet<Command, Outcome> = (
  commands: readonly Command[],
  untilMs: readonly number[],
) => Promise<readonly Outcome[]>

/**
 * Wraps the two ends of a group commit: `submit` remembers the request of each command, so that `write` knows the
 * requests of a set.
 */
export interface SaveTracer {
  write<Command extends object, Outcome>(write: WriteSet<Command, Outcome>): WriteSet<Command, Outcome>
  submit<Command extends object, Outcome>(submit: Submit<Command, Outcome>): Submit<Command, Outcome>
}

/**
 * Traces sets of saves. A set of one request belongs to that request's trace. A set of several requests is a trace of
 * its own, linked to each of them.
 */
export function createSaveTracer(tracer: Tracer): SaveTracer {
  const spanOf = new WeakMap<object, Span>()

  return {
    submit: (submit) => (command, patienceMs) => {
      const span = trace.getActiveSpan()
      if (span?.isRecording()) spanOf.set(command, span)
      return submit(command, patienceMs)
    },
    write: (write) => async (commands, untilMs) => {
      const requests = [...new Set(commands.map((command) => spanOf.get(command)))].filter((span) => span !== undefined)
      const [only] = requests
      // Without a parent: the context that happens to be active belongs to the first request.
      if (!only) return context.with(ROOT_CONTEXT, () => write(commands, untilMs))
      const attributes = { 'waymark.save_set.size': commands.length }
      const span =
        requests.length > 1
          ? startLinkedSpan(tracer, 'save set', attributes, requests)
          : tracer.startSpan('save set', { attributes }, trace.setSpan(ROOT_CONTEXT, only))
      try {
        return await context.with(trace.setSpan(ROOT_CONTEXT, span), () => write(commands, untilMs))
      } finally {
        span.end()
      }
    },
  }
}
