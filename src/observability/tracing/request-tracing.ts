import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import type { Followed, RequestTracer } from '../../operations/exchange/request-tracer.ts'

/**
 * The fault codes that mark a span as an error. A caller's mistake is not an error of the server:
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status
 */
const SERVER_FAULTS: readonly string[] = ['INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE', 'OVERLOADED']

/**
 * Records HTTP requests and GraphQL operations as spans. They contain nothing of the document, variables or headers.
 * Names are the schema's, except the operation's name, which is cleaned as in the log.
 */
export function createRequestTracer(tracer: Tracer): RequestTracer {
  return {
    begin({ method = '', headers }, exchange) {
      const caller = propagation.extract(ROOT_CONTEXT, headers)
      const attributes = {
        'http.request.method': method,
        'http.route': '/graphql',
        'url.path': '/graphql',
        'waymark.request_id': exchange.requestId,
      }
      const span = tracer.startSpan(`${method} /graphql`, { kind: SpanKind.SERVER, attributes }, caller)
      return {
        run: (answer) => context.with(trace.setSpan(caller, span), answer),
        end(status) {
          span.setAttribute('http.response.status_code', status)
          noteFaults(span, exchange)
          span.end()
        },
      }
    },
    operation(exchange, run) {
      // Over a WebSocket there is no parent span.
      const kind = trace.getActiveSpan() ? SpanKind.INTERNAL : SpanKind.SERVER
      return tracer.startActiveSpan('graphql', { kind }, async (span) => {
        try {
          return await run()
        } finally {
          nameOperation(span, exchange)
          noteFaults(span, exchange)
          span.end()
        }
      })
    },
  }
}

/** Adds what is known of the operation by now. An operation that was refused before it ran has no root fields. */
function nameOperation(span: Span, { requestId, operationType, operationName, rootFields }: Followed): void {
  span.setAttribute('waymark.request_id', requestId)
  if (operationType === undefined) return
  span.updateName(`${operationType} ${rootFields.join(' ')}`)
  span.setAttribute('graphql.operation.type', operationType)
  if (operationName !== undefined) span.setAttribute('graphql.operation.name', operationName)
}

function noteFaults(span: Span, { errorCodes }: Followed): void {
  const [first] = errorCodes
  if (first === undefined) return
  span.setAttribute('error.type', [...errorCodes].join(' '))
  if (SERVER_FAULTS.some((code) => errorCodes.has(code))) span.setStatus({ code: SpanStatusCode.ERROR })
}
