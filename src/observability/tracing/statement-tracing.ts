import { SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api'
import { sqlState } from '../../database/errors.ts'
import type { StatementTracer } from '../../database/traced-pool.ts'

/** Statements of Prisma grow with the selected fields. */
const LONGEST_TEXT = 2_000

/**
 * Records a span for each statement of a request. The text has placeholders ($1) and never values: all our statements
 * and Prisma's are sent so. A failure is recorded by its SQLSTATE only, since PostgreSQL's messages repeat values.
 * Statements of background tasks (reaper, feeds, retention) belong to no request and have no spans; some run every
 * second.
 */
export function createStatementTracer(tracer: Tracer): StatementTracer {
  return {
    begin(text, name) {
      if (!trace.getActiveSpan()?.isRecording()) return undefined
      const [operation = ''] = /^[a-z]+/i.exec(text.trimStart()) ?? []
      const span = tracer.startSpan(name ?? operation.toUpperCase(), {
        kind: SpanKind.CLIENT,
        attributes: {
          // The name that is stable since 2025, and the one that older backends know.
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
