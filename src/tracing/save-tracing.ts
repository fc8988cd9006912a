import { context, ROOT_CONTEXT, type Span, trace, type Tracer } from '@opentelemetry/api'
import type { Submit } from '../database/group-commit.ts'

type WriteSet<Command, Outcome> = (
  commands: readonly Command[],
  untilMs: readonly number[],
) => Promise<readonly Outcome[]>

/** The two ends of a group commit, followed: `submit` notes for whom a command is, `write` then knows whose a set is. */
export interface SaveTracer {
  write<Command extends object, Outcome>(write: WriteSet<Command, Outcome>): WriteSet<Command, Outcome>
  submit<Command extends object, Outcome>(submit: Submit<Command, Outcome>): Submit<Command, Outcome>
}

/**
 * A set of one request's saves belongs to that request's trace. One of several requests can't have several parents: it is a trace of its
 * own, with a link to each of them, and each of them has a link to it.
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
      // Never where it happens to run, which is inside the request that came first.
      if (!only) return context.with(ROOT_CONTEXT, () => write(commands, untilMs))
      const isShared = requests.length > 1
      const parent = isShared ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, only)
      const span = tracer.startSpan(
        'save set',
        {
          attributes: { 'waymark.save_set.size': commands.length },
          links: isShared ? requests.map((request) => ({ context: request.spanContext() })) : [],
        },
        parent,
      )
      if (isShared) for (const request of requests) request.addLink({ context: span.spanContext() })
      try {
        return await context.with(trace.setSpan(parent, span), () => write(commands, untilMs))
      } finally {
        span.end()
      }
    },
  }
}
