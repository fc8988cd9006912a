import { collectDefaultMetrics, Registry } from 'prom-client'

/** From functions of Node that are none of its API; `nodejs_active_resources` has the same from one that is. */
const INTERNAL = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
]

let registry: Registry | undefined

/** CPU, memory, event loop and garbage collection: of the process, however many servers it runs. Once begun they are measured for good. */
export function processMetrics(): Registry {
  if (registry === undefined) {
    registry = new Registry()
    collectDefaultMetrics({ register: registry })
    for (const name of INTERNAL) registry.removeSingleMetric(name)
  }
  return registry
}
