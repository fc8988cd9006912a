import { collectDefaultMetrics, Registry } from 'prom-client'

/** Left out: they come from internal functions of Node. `nodejs_active_resources` shows the same from a public one. */
const INTERNAL = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
]

let registry: Registry | undefined

/**
 * Metrics of the process: CPU, memory, event loop and garbage collection. All servers of the process share them. Once
 * started, they are collected until the process ends.
 */
export function processMetrics(): Registry {
  if (registry === undefined) {
    registry = new Registry()
    collectDefaultMetrics({ register: registry })
    for (const name of INTERNAL) registry.removeSingleMetric(name)
  }
  return registry
}
