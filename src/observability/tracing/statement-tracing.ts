import { SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api'
import { sqlState } from '../../database/errors.ts'
import type { StatementTracer } from '../../database/traced-pool.ts'

/** Prisma's grow with what is selected. */
const LONGEST_TEXT = 2_000

/**
 * A span for each statement that is sent for somebody. The text has places ($1) and never values: every statement of ours and of
 * Prisma's is sent so. What it failed with is told by its SQLSTATE alone, as PostgreSQL's messages repeat values. What runs by itself
 * (reaper, feeds, retention) is nobody's: its statements, some each second, have no spans.
 */
export function createStatementTracer(tracer: Tracer): StatementTracer {
  return {
    begin(text, name) {
      if (!trace.getActiveSpan()?.isRecording()) return undefined
      const [operation = ''] = /^[a-z]+/i.exec(text.trimStart()) ?? []
      const span = tracer.startSpan(name ?? operation.toUpperCase(), {
        kind: SpanKind.CLIENT,
        attributes: {
          // By the name that is stable since 2025, and by the one that older backends know.
          'db.system.name': 'postgresql',
          'db.system': 'postgresql',
          'db.operation.name': operation.toUpperCase(),
          'db.query.text': text.slice(0, LONGEST_TEXT),
        },
      })
      return (error) => {
        if (error != null) {
          span.setStatus({ code: SpanStatusCode.ERROR })
          span.setAttribute('db.response.status_code', sqlState(error) ?? 'unanswered')
        }
        span.end()
      }
    },
  }
}
