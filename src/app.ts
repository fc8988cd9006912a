import type { Logger } from 'pino'
import { createAuthenticate } from './access/authenticate.ts'
import { watchCredentials } from './access/credential-watch.ts'
import { namesLoopback } from './access/host-check.ts'
import { localOperator, type Principal } from './identity/principal.ts'
import { startRetention } from './maintenance/retention.ts'
import { createSaveWriter, MAX_SET_SIZE, type SaveOutcome } from './crawl/save/store.ts'
import type { SaveCommand } from './crawl/save/input.ts'
import { type Config, isLoopback } from './config.ts'
import { createDatabaseClock, type MeasuredClock, readLeaseAhead } from './database/clock.ts'
import { type Database, forCaller, openDatabase } from './database/database.ts'
import { faultOf } from './database/errors.ts'
import type { Lane } from './concurrency/gate.ts'
import { createGroupCommit } from './concurrency/group-commit.ts'
import type { Partition } from './database/partitions.ts'
import { EVENT_PATIENCE_MS, Patience } from './concurrency/patience.ts'
import { whyNotServing } from './database/serving.ts'
import { SCAN_PATIENCE_MS } from './database/scan.ts'
import { type Feed, type FeedOptions, startFeed } from './events/feed.ts'
import { readSealSecret } from './events/sealed-feed.ts'
import { Fault } from './errors/fault.ts'
import { createContext } from './api/context.ts'
import { createLoadersOf } from './graphql/loaders.ts'
import { PAGE_SIZES } from './graphql/paging.ts'
import { schema } from './api/schema.ts'
import type { Admitted } from './operations/exchange/admission.ts'
import type { OperationInfo } from './operations/exchange/exchange.ts'
import { type Readiness, shareReadiness } from './http/health.ts'
import { LargeRequests } from './limits/large-requests.ts'
import { type Load, watchLoad } from './limits/load.ts'
import { readManifest } from './operations/documents/persisted-operations.ts'
import { startHttpServer } from './http/server.ts'
import type { Metrics } from './observability/metrics/metrics.ts'
import type { Tracing } from './observability/tracing/tracing.ts'
import { startReaper } from './maintenance/reaper.ts'
import { countLiveLeases } from './crawl/session/store.ts'
import { version } from './observability/version.ts'
import { prepareDatabase } from './prepare-database.ts'
import { type Callers, countCallers } from './limits/callers.ts'

const CLOCK_MEASURE_MS = 60_000

export interface App {
  /** http://host:port/graphql */
  readonly url: string
  /** http://host:port/metrics; undefined: METRICS_PORT is not set. */
  readonly metricsUrl: string | undefined
  /** Which database it uses, and what the operator should know about it. */
  readonly notes: readonly string[]
  /**
   * Stops accepting, finishes the requests in flight, ends subscriptions, and closes the pool and the embedded server.
   * Idempotent.
   */
  close(): Promise<void>
}

/** Timings that no setting changes; tests do. */
export interface Paces extends FeedOptions {
  /** Length of the minute in RATE_LIMIT_POINTS_PER_MINUTE, seconds. */
  readonly rateMinuteSeconds?: number
  /** The time before the first run of retention and between two runs, milliseconds. */
  readonly pruneEachMs?: number
  /** Called with the clock that the server measures, for tests that move the database's. */
  readonly onClock?: (clock: MeasuredClock) => void
}

/**
 * Starts the parts: database, feed, HTTP. If one fails to start, those before it are stopped in reverse order.
 * @param workerCallers given if this is one of several workers: what they count together. Their primary serves the
 *   metrics
 * @throws StartupError for problems that the operator can fix
 */
export async function startApp(config: Config, log: Logger, paces: Paces = {}, workerCallers?: Callers): Promise<App> {
  const releasers: (() => Promise<void>)[] = []
  const release = async () => {
    for (let releaser = releasers.pop(); releaser; releaser = releasers.pop()) await releaser()
  }
  try {
    // Read before anything is started, so that a mistake in the manifest is reported at once.
    const persistedOperations =
      config.persistedOperations === undefined ? undefined : readManifest(config.persistedOperations, schema)
    const { url: databaseUrl, directUrl, notes } = await prepareDatabase(config, log, releasers)
    const tracing = await prepareTracing(config)
    // Closed after what it traces, so that the end of the other parts is traced too.
    if (tracing) releasers.push(() => tracing.close())
    const database = openDatabase({
      url: databaseUrl,
      directUrl,
      poolSize: config.databasePoolSize,
      connectTimeoutMs: config.databaseConnectTimeoutMs,
      statementTimeoutMs: config.databaseStatementTimeoutMs,
      log,
      tracer: tracing?.statements,
      readTracer: tracing?.reads,
    })
    releasers.push(() => database.close())

    const clock = createDatabaseClock(database)
    await clock.measure(await readLeaseAhead(database))
    paces.onClock?.(clock)
    const measuring = setInterval(() => {
      clock.measure().catch((error: unknown) => log.debug({ err: error }, 'the database’s clock could not be read'))
    }, CLOCK_MEASURE_MS)
    releasers.push(() => {
      clearInterval(measuring)
      return Promise.resolve()
    })

    const feed = await startFeed(database, log, {
      readers: forCaller(database, () => new Patience(), { lane: 'event' }),
      // What the feed reads after a notification is for all subscribers. It is no part of the request that made the
      // change.
      alone: tracing?.alone,
      ...paces,
    })
    releasers.push(() => feed.close())

    const reaper = startReaper(database, log, clock)
    releasers.push(() => reaper.close())

    const prunedFeed = {
      retentionHours: config.feedRetentionHours,
      mayRetire: (partition: Partition) => feed.mayRetire(partition),
    }
    const retention = startRetention(database, config, log, prunedFeed, paces.pruneEachMs)
    releasers.push(() => retention.close())

    const metrics = await prepareMetrics(config, log)
    const writeSaves = createSaveWriter(database, {
      keepRevisions: config.historyKeepRevisions,
      retentionDays: config.historyRetentionDays,
    })
    const countedSaves = metrics ? metrics.saves(writeSaves) : writeSaves
    const tracedSaves = tracing ? tracing.saves.write(countedSaves) : countedSaves
    const saves = createGroupCommit<SaveCommand, SaveOutcome>(tracedSaves, {
      maxSetSize: MAX_SET_SIZE,
      isOutage: (error) => error instanceof Fault && error.code === 'SERVICE_UNAVAILABLE',
    })
    const largeRequests = new LargeRequests()
    const load = watchLoad({ statements: database.gate, saves, bodies: largeRequests }, log)
    releasers.push(() => {
      load.close()
      return Promise.resolve()
    })
    const parts = {
      database,
      clock,
      submitSave: tracing ? tracing.saves.submit(saves.submit) : saves.submit,
      feed,
      // A set of reads belongs to many operations, so it has its own patience.
      loadersOf: createLoadersOf(forCaller(database, () => new Patience())),
      historyRetentionDays: config.historyRetentionDays,
      sealSecret: await readSealSecret(database),
    }
    const readForEvents = forCaller(database, () => new Patience(EVENT_PATIENCE_MS), { lane: 'event' })
    const streamParts = { ...parts, loadersOf: createLoadersOf(readForEvents) }
    const authenticate = createAuthenticate(database, clock, config)
    const http = await startHttpServer({
      host: config.host,
      port: config.port,
      schema,
      pageSizes: PAGE_SIZES,
      log,
      debug: config.debug,
      graphiql: config.graphiql,
      introspection: config.introspection,
      allowedOrigins: config.allowedOrigins,
      allowedHeaders: config.allowedHeaders,
      compression: config.compression,
      callers:
        workerCallers ?? countCallers({ ...config, ratePointsPerMinute: config.rateLimitPointsPerMinute, ...paces }),
      persistedOperations,
      persistedOnly: config.persistedOnly,
      createContext: (operation) =>
        createContext(
          operation.isStream ? streamParts : parts,
          operation.principal,
          operation.requestId,
          () => databaseFor(operation, database),
          operation.lastEventId,
        ),
      findOverload: load.findOverload,
      largeRequests,
      admit: (credentials) => {
        const admitted = (principal: Principal): Admitted => ({
          principal,
          watch: (signal, onEnd) => {
            if (principal === localOperator) return
            watchCredentials({ authenticate, clock }, credentials, principal, signal, onEnd)
          },
        })
        const principal = authenticate(credentials)
        return principal instanceof Promise ? principal.then(admitted) : admitted(principal)
      },
      // With authentication, a page of another site can do nothing: it has no key. So the Host is not checked.
      ...(config.authentication.length === 0 && { allowsHost: namesLoopback }),
      observer: metrics?.requests,
      tracer: tracing?.requests,
      isReady: shareReadiness(() => readiness(database, feed, load)),
      toFault: (error) => {
        const fault = faultOf(error)
        return fault instanceof Fault ? fault : undefined
      },
    })
    releasers.push(() => http.close({ drainTimeoutMs: config.drainTimeoutMs }))

    const sources = {
      http: () => http.state(),
      pool: () => database.pool(),
      feed: () => ({ ...feed.state(), isFailing: feed.isFailing }),
      load: () => load.state(),
      reaper: () => reaper.state(),
      retention: () => retention,
      leases: () => countLiveLeases(database),
    }
    if (workerCallers) metrics?.report(sources)
    const metricsServer = workerCallers ? undefined : await metrics?.serve(sources)
    if (metricsServer) {
      // Closed after the HTTP server, so that its draining still shows in the metrics.
      releasers.splice(-1, 0, () => metricsServer.close())
    }

    let closing: Promise<void> | undefined
    const allNotes = metricsServer ? [...notes, `metrics at ${metricsServer.url}`] : notes
    return { url: http.url, metricsUrl: metricsServer?.url, notes: allNotes, close: () => (closing ??= release()) }
  } catch (error) {
    await release()
    throw error
  }
}

/**
 * What a caller pays for each millisecond of a scan. A connection that counts without a pause uses up the default rate.
 */
const POINTS_PER_SCAN_MS = 5

/**
 * The database for one operation: its statements wait with the operation's patience, and its scans cost the caller
 * points.
 */
function databaseFor({ isStream, principal, charge }: OperationInfo, database: Database): Database {
  const onScanned = (milliseconds: number) => {
    charge(principal.subject, Math.floor(milliseconds * POINTS_PER_SCAN_MS))
  }
  if (isStream) return forCaller(database, () => new Patience(EVENT_PATIENCE_MS), { lane: 'event', onScanned })
  const patience = new Patience()
  let scanPatience: Patience | undefined
  const patienceOf = (lane: Lane) => (lane === 'scan' ? (scanPatience ??= new Patience(SCAN_PATIENCE_MS)) : patience)
  return forCaller(database, patienceOf, { onScanned })
}

/** The metrics modules are loaded only if metrics are on. */
async function prepareMetrics(config: Config, log: Logger): Promise<Metrics | undefined> {
  const { metricsHost: host, metricsPort: port } = config
  if (port === undefined) return undefined
  const { createMetrics } = await import('./observability/metrics/metrics.ts')
  return createMetrics({ host, port, schema, version, log, ...(isLoopback(host) && { allowsHost: namesLoopback }) })
}

async function prepareTracing({ tracesUrl: url }: Config): Promise<Tracing | undefined> {
  if (url === undefined) return undefined
  const { startTracing } = await import('./observability/tracing/tracing.ts')
  return startTracing({ url, version })
}

/**
 * A replica whose feed is held back counts as ready: it answers all else, and the other replicas' feeds are held back
 * too.
 */
async function readiness(database: Database, feed: Feed, load: Load): Promise<Readiness> {
  const reason = await whyNotServing(database)
  if (reason !== undefined) return { ready: false, reason }
  const { lagMs, isShedding } = load.state()
  return { ready: true, feed: feed.state(), load: { lagMs, isShedding } }
}
