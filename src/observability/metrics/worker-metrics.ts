import { AggregatorRegistry, type Registry } from 'prom-client'
import { type MetricsServer, type MetricsServerOptions, startMetricsServer } from './metrics-server.ts'

/**
 * Serves the metrics of all workers as those of one server, in the primary. Each metric says how its values are put
 * together; most are added.
 * @throws StartupError
 */
export function serveWorkerMetrics(
  options: Pick<MetricsServerOptions, 'host' | 'port' | 'log' | 'allowsHost'>,
): Promise<MetricsServer> {
  const workers = new AggregatorRegistry()
  return startMetricsServer({
    ...options,
    contentType: workers.contentType,
    render: () => workers.clusterMetrics(),
  })
}

/** Has a worker tell its metrics when the primary asks. */
export function reportToPrimary(registries: Registry[]): void {
  AggregatorRegistry.setRegistries(registries)
  // It is this object that listens.
  new AggregatorRegistry()
}
