import { setTimeout as sleep } from 'node:timers/promises'
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { ReadTracer } from '../../concurrency/shared-reads.ts'
import type { StatementTracer } from '../../database/traced-pool.ts'
import type { RequestTracer } from '../../operations/exchange/request-tracer.ts'
import { createReadTracer } from './read-tracing.ts'
import { createRequestTracer } from './request-tracing.ts'
import { createSaveTracer, type SaveTracer } from './save-tracing.ts'
import { createStatementTracer } from './statement-tracing.ts'

export interface Tracing {
  readonly requests: RequestTracer
  readonly statements: StatementTracer
  readonly reads: ReadTracer
  readonly saves: SaveTracer
  /** Runs a function outside of any request's trace. */
  readonly alone: (run: () => void) => void
  /** Sends the remaining spans. Gives up after a second if the collector does not accept them. */
  close(): Promise<void>
}

/** Short, so that the collector cannot delay the server's shutdown for long. */
const LAST_EXPORT_MS = 1_000

/**
 * Sends spans to an OpenTelemetry collector, by OTLP over HTTP in JSON. OpenTelemetry's own environment variables set
 * which requests are traced, the headers and batches, and the attributes of this process. Its SDK reads them:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 * @param url the collector's URL with its path
 */
export function startTracing({ url, version }: { readonly url: string; readonly version: string }): Tracing {
  const resource = resourceFromAttributes({ 'service.name': 'waymark', 'service.version': version })
  const provider = new NodeTracerProvider({
    resource: resource.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
  })
  provider.register()
  const tracer = provider.getTracer('waymark', version)
  return {
    requests: createRequestTracer(tracer),
    statements: createStatementTracer(tracer),
    reads: createReadTracer(tracer),
    saves: createSaveTracer(tracer),
    alone: (run) => {
      context.with(ROOT_CONTEXT, run)
    },
    async close() {
      const sent = new AbortController()
      const late = sleep(LAST_EXPORT_MS, undefined, { signal: sent.signal }).catch(() => undefined)
      await Promise.race([provider.shutdown().catch(() => undefined), late])
      sent.abort()
      trace.disable()
      context.disable()
      propagation.disable()
    },
  }
}
