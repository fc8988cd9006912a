import type { GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import { Gauge, Registry } from 'prom-client'
import type { RequestObserver } from '../../operations/exchange/observer.ts'
import { type MetricsServer, startMetricsServer } from './metrics-server.ts'
import { processMetrics } from './process-metrics.ts'
import { createRequestMetrics } from './request-metrics.ts'
import { createSaveMetrics } from './save-metrics.ts'
import { reportToPrimary } from './worker-metrics.ts'
import { createStateMetrics, type StateSources } from './state-metrics.ts'

export interface MetricsOptions {
  readonly host: string
  readonly port: number
  readonly allowsHost?: (host: string | undefined, port: number) => boolean
  readonly schema: GraphQLSchema
  /** The version of Waymark, for the metric waymark_info. */
  readonly version: string
  readonly log: Logger
}

export interface Metrics {
  readonly requests: RequestObserver
  /** Wraps the function that writes sets of saves. */
  readonly saves: ReturnType<typeof createSaveMetrics>
  /** Has this worker tell its metrics to the primary; called when all sources exist. */
  report(sources: StateSources): void
  /** Starts the server; called when all sources exist. @throws StartupError */
  serve(sources: StateSources): Promise<MetricsServer>
}

/** Prometheus metrics. Each has a fixed set of series. docs/operations.md explains them. */
export function createMetrics({ schema, version, log, ...address }: MetricsOptions): Metrics {
  const registry = new Registry()
  new Gauge({
    name: 'waymark_info',
    help: 'Always 1; the labels say what runs.',
    aggregator: 'first',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.versions.node }, 1)
  return {
    requests: createRequestMetrics(schema, registry),
    saves: createSaveMetrics(registry),
    report(sources) {
      createStateMetrics(registry, sources)
      reportToPrimary([registry, processMetrics()])
    },
    serve(sources) {
      createStateMetrics(registry, sources)
      const all = Registry.merge([registry, processMetrics()])
      return startMetricsServer({ ...address, log, contentType: all.contentType, render: () => all.metrics() })
    },
  }
}
