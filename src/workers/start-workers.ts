import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Logger } from 'pino'
import { RateLimiterClusterMaster } from 'rate-limiter-flexible'
import { namesLoopback } from '../access/host-check.ts'
import type { App } from '../app.ts'
import { type Config, isLoopback } from '../config.ts'
import { EMBEDDED_MAX_CONNECTIONS } from '../database/embedded/cluster.ts'
import { StartupError } from '../errors/startup-error.ts'
import { prepareDatabase } from '../prepare-database.ts'
import { Crew } from './crew.ts'

/** How long after their drain the workers may take to close their connections to the database, milliseconds. */
const CLOSE_MARGIN_MS = 1_500
/** What a worker opens besides its pool: the listener, and retention's own connection. */
const CONNECTIONS_BESIDE_POOL = 2
/** Left to the commands of the operator and to PostgreSQL's own reserve. */
const SPARE_CONNECTIONS = 10

/**
 * Starts a server of several processes (WORKERS): this one, which keeps the database and counts, and the workers, which
 * serve.
 * @throws StartupError for problems that the operator can fix
 */
export async function startWorkers(config: Config, log: Logger): Promise<App> {
  if (config.databaseUrl === undefined) requireConnections(config)
  const releasers: (() => Promise<void>)[] = []
  const release = async () => {
    for (let releaser = releasers.pop(); releaser; releaser = releasers.pop()) await releaser()
  }
  try {
    const database = await prepareDatabase(config, log, releasers)
    const metrics = await serveMetrics(config, log)
    if (metrics) releasers.push(() => metrics.close())
    // The workers' limiters ask this one.
    new RateLimiterClusterMaster()
    const crew = new Crew({
      size: config.workers,
      env: {
        DATABASE_URL: database.url,
        MIGRATE_ON_START: '0',
        // Else the system chooses anew where all workers have to be replaced.
        PORT: String(config.port === 0 ? await chooseFreePort(config.host) : config.port),
      },
      maxStreamsPerCaller: config.maxStreamsPerCaller,
      log,
    })
    releasers.push(() => crew.stop(config.drainTimeoutMs + CLOSE_MARGIN_MS))
    const url = await crew.start()
    const notes = [`${config.workers} workers`, ...database.notes, ...(metrics ? [`metrics at ${metrics.url}`] : [])]
    let closing: Promise<void> | undefined
    return { url, metricsUrl: metrics?.url, notes, close: () => (closing ??= release()) }
  } catch (error) {
    await release()
    throw error
  }
}

function requireConnections({ workers, databasePoolSize }: Config): void {
  const needed = workers * (databasePoolSize + CONNECTIONS_BESIDE_POOL)
  const most = EMBEDDED_MAX_CONNECTIONS - SPARE_CONNECTIONS
  if (needed <= most) return
  throw new StartupError(
    `WORKERS=${workers} with DATABASE_POOL_SIZE=${databasePoolSize} needs ${needed} connections, and the embedded ` +
      `PostgreSQL has ${most} for them: lower one of the two, or set DATABASE_URL.`,
  )
}

async function chooseFreePort(host: string): Promise<number> {
  const server = createServer()
  await once(server.listen({ host, port: 0 }), 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function serveMetrics({ metricsHost: host, metricsPort: port }: Config, log: Logger) {
  if (port === undefined) return undefined
  const { serveWorkerMetrics } = await import('../observability/metrics/worker-metrics.ts')
  return serveWorkerMetrics({ host, port, log, ...(isLoopback(host) && { allowsHost: namesLoopback }) })
}
