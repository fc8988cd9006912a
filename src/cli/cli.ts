import cluster from 'node:cluster'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { App } from '../app.ts'
import type { Config } from '../config.ts'
import { StartupError } from '../errors/startup-error.ts'
import { KEY_USAGE, readKeyArguments } from './key-arguments.ts'
import type { WorkerMessage } from '../workers/messages.ts'
import { exitCodeOf, stopRequest, type StopReason, workerStopRequest } from './stop-request.ts'

const USAGE = `usage: waymark [<command>], in a checkout: npm start -- [<command>]
  serve          serve the API (default)
  migrate        bring the database to this version's schema
  verify         name each difference between the database and this version's schema; exit 1 if there is any
  repair         apply every migration and function once more, where somebody dropped or changed what they make
  feed reset     begin a new generation of the feeds, after a restore or a failover (docs/feeds.md)
${KEY_USAGE}
  export <file>  write the state of every list to a file (docs/operations.md)
  import <file>  write the lists of such a file over what is there; exit 1 if one was refused
  copy --to <URL>
                 copy everything but the feeds to an empty database, or go on with an interrupted copy
                 (docs/database.md)
  seed           fill the database with a small data set to try things on
  print-schema   print the API as SDL
  --version      print the version
Settings come from the environment and from .env; docs/settings.md lists them.`

/** How long closing the feed, the pool and the embedded database may take after the drain of requests, milliseconds. */
const STOP_MARGIN_MS = 3_000
/** How long a request to stop waits for a start to finish (an initdb, migrations), milliseconds. */
const START_PATIENCE_MS = 5_000
const LINGER_MS = 200

/** What a command gets. */
interface Run {
  readonly config: Config
  /** Starts to listen for requests to stop the process. */
  readonly stopRequest: () => Promise<StopReason>
}

/** Each loads what it needs when it runs: the server alone takes 0.7 s of processor time to load. */
const commands: Record<string, (run: Run) => Promise<number>> = {
  serve,
  migrate: (run) =>
    onDatabase(run, async (databaseUrl, log) => {
      const { migrate } = await import('../database/migrations/migrate.ts')
      const { applied, present, functions } = await migrate({ databaseUrl, log })
      const lines = applied.map((name) => `applied ${name}`)
      if (functions.length > 0) lines.push(`replaced ${functions.length} functions and triggers`)
      print(lines.join('\n') || `nothing to apply: ${present.length} migrations are there`)
      return 0
    }),
  repair: (run) =>
    onDatabase(run, async (databaseUrl, log) => {
      const { repair } = await import('../database/migrations/migrate.ts')
      await repair({ databaseUrl, log })
      print('every migration and function was applied once more')
      return 0
    }),
  verify: (run) =>
    onDatabase(run, async (databaseUrl) => {
      const { verifySchema } = await import('../database/migrations/verify.ts')
      const { differences, notes, diff } = await verifySchema({ databaseUrl })
      if (differences.length > 0) print([...differences, '', diff].join('\n').trimEnd())
      else print('the schema is as it should be')
      if (notes.length > 0) print(['', 'Works, but worth knowing:', ...notes.map((note) => `- ${note}`)].join('\n'))
      return differences.length > 0 ? 1 : 0
    }),
  'feed reset': (run) =>
    onDatabase(run, async (databaseUrl) => {
      const { resetFeed } = await import('../events/reset.ts')
      const { generation, previous } = await resetFeed({ databaseUrl })
      print(
        `The feeds have a new generation: ${generation} instead of ${previous}. Earlier cursors are now refused as CURSOR_EXPIRED, and their clients have to list again.\n` +
          'Running servers notice this within about a second.',
      )
      return 0
    }),
  seed: (run) =>
    onDatabase(run, async (databaseUrl) => {
      const { migrate } = await import('../database/migrations/migrate.ts')
      await migrate({ databaseUrl })
      const { seed } = await import('./seed.ts')
      print(await seed(databaseUrl))
      return 0
    }),
  '--version': async () => {
    const { version } = await import('../observability/version.ts')
    print(version)
    return 0
  },
  'print-schema': async () => {
    const { printApi } = await import('../api/schema.ts')
    process.stdout.write(printApi())
    return 0
  },
}

async function serve({ config, stopRequest }: Run): Promise<number> {
  const { createServerLog } = await import('../observability/log.ts')
  const log = createServerLog(config.debug ? 'debug' : config.logLevel)
  const stopped = stopRequest()
  const starting = (await loadStart(config))(config, log)
  const started = await Promise.race([starting, stopped])
  if (typeof started === 'string') {
    tellStop(started, log)
    return stopStart(starting, started, config, log)
  }
  if (cluster.isPrimary) tellServed(started, log)
  tellStop(await stopped, log)
  return stop(started, config, log)
}

/** With WORKERS the same command runs in the primary and in each worker. */
async function loadStart({ workers }: Config): Promise<(config: Config, log: Logger) => Promise<App>> {
  if (cluster.isWorker) return (await import('../workers/worker.ts')).startWorker
  if (workers > 1) return (await import('../workers/start-workers.ts')).startWorkers
  return (await import('../app.ts')).startApp
}

function tellServed({ url, notes }: App, log: Logger): void {
  const line = `Waymark serves ${url} (${notes.join('; ')})`
  if (process.stdout.isTTY || !log.isLevelEnabled('info')) print(line)
  log.info({ url }, line)
}

/** Stops a server that was asked to stop while it was still starting. */
async function stopStart(starting: Promise<App>, reason: StopReason, config: Config, log: Logger): Promise<number> {
  const late = delay(START_PATIENCE_MS, undefined, { ref: false })
  const app = await Promise.race([starting, late])
  if (app) return stop(app, config, log)
  log.warn('the start did not finish in time: exiting without waiting for it')
  // Everything that the start has begun ends with this process.
  process.exit(exitCodeOf(reason))
}

async function stop(app: App, config: Config, log: Logger): Promise<number> {
  await closeInTime(app, config, log)
  log.info('stopped')
  // A database that has stopped answering never closes its connections. They must not keep the process alive.
  setTimeout(() => process.exit(0), LINGER_MS).unref()
  return 0
}

function tellStop(reason: StopReason, log: Logger): void {
  if (reason === 'NPM_GONE') log.warn('npm, which started this server, is gone: stopping')
  else log.info({ signal: reason }, 'stopping')
}

function transferCommand(name: 'export' | 'import', [path, ...rest]: readonly string[]): (run: Run) => Promise<number> {
  return (run) => {
    if (path === undefined || rest.length > 0) throw new StartupError(`send ${name} <file>.`)
    const { migrateOnStart: mayMigrate } = run.config
    return onDatabase(run, async (databaseUrl) => {
      const { runExport, runImport } = await import('./transfer.ts')
      return (name === 'export' ? runExport : runImport)({ databaseUrl, mayMigrate, path, print })
    })
  }
}

function copyCommand(args: readonly string[]): (run: Run) => Promise<number> {
  return async (run) => {
    const { readCopyArguments, runCopy } = await import('./copy.ts')
    // Checked before a database is started for the command.
    const targetUrl = readCopyArguments(args)
    return onDatabase(run, (sourceUrl) => runCopy({ sourceUrl, targetUrl, print }))
  }
}

function keyCommand(args: readonly string[]): (run: Run) => Promise<number> {
  return (run) => {
    // Checked before a database is started for the command.
    const command = readKeyArguments(args)
    const { migrateOnStart: mayMigrate } = run.config
    return onDatabase(run, async (databaseUrl) => {
      const { runKeyCommand } = await import('./keys.ts')
      return runKeyCommand(databaseUrl, command, { mayMigrate, print })
    })
  }
}

/**
 * Closes the server, but waits no longer than its drain timeout and a margin: many platforms kill a process 10 s after
 * they asked it to stop.
 */
async function closeInTime(app: App, { drainTimeoutMs }: Config, log: Logger): Promise<void> {
  const closed = new AbortController()
  const late = delay(drainTimeoutMs + STOP_MARGIN_MS, 'late', { signal: closed.signal }).catch(() => 'closed')
  try {
    if ((await Promise.race([app.close(), late])) === 'late') {
      log.warn('the database did not close its connections in time: exiting without waiting for it')
    }
  } finally {
    closed.abort()
  }
}

/**
 * Runs a command on DATABASE_DIRECT_URL or DATABASE_URL, or on the embedded database. The embedded database is that of
 * a running server, or is started for the command.
 */
async function onDatabase(
  { config, stopRequest }: Run,
  run: (databaseUrl: string, log: Logger) => Promise<number>,
): Promise<number> {
  const { pino } = await import('pino')
  const log = pino({ level: 'warn' })
  const { databaseUrl, databaseDirectUrl = databaseUrl } = config
  if (databaseUrl !== undefined && databaseDirectUrl !== undefined) {
    const { requireSessions } = await import('../database/migrations/session-check.ts')
    await requireSessions(databaseUrl, databaseDirectUrl)
    return run(databaseDirectUrl, log)
  }
  const { joinEmbedded } = await import('../database/embedded/embedded.ts')
  const stopped = stopRequest()
  const embedded = await joinEmbedded({ dataDir: config.dataDir, defaultDataDir: config.defaultDataDir, log })
  let stopReason: StopReason | undefined
  try {
    return await Promise.race([run(embedded.url, log), stopped.then((reason) => exitCodeOf((stopReason = reason)))])
  } finally {
    await embedded.stop()
    // The command lost its database, so nothing is left to wait for.
    if (stopReason) process.exit(exitCodeOf(stopReason))
  }
}

async function problemOfDatabase(error: unknown): Promise<StartupError | undefined> {
  const { databaseProblem } = await import('../database/migrations/migration-errors.ts')
  return databaseProblem(error)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function printError(line: string): void {
  process.stderr.write(`waymark: ${line}\n`)
}

/** Says why a command cannot begin. The primary says it once for all its workers. */
function tellProblem(line: string): void {
  const message: WorkerMessage = { waymark: 'cannotStart', reason: line }
  if (cluster.isWorker) process.send?.(message)
  else printError(line)
}

/** undefined: there is no such command. */
function commandOf(argv: readonly string[]): ((run: Run) => Promise<number>) | undefined {
  const [first, ...args] = argv
  if (first === 'key') return keyCommand(args)
  if (first === 'copy') return copyCommand(args)
  if (first === 'export' || first === 'import') return transferCommand(first, args)
  return commands[argv.join(' ') || 'serve']
}

/**
 * Runs one command.
 * @param argv the arguments after the program's name
 * @param options.parentPid the process that started this one, read as early as possible
 * @returns the exit code: 0; 1 if the command's answer is no; 2 if it could not begin (one line on stderr says why)
 */
export async function main(argv: readonly string[], { parentPid }: { readonly parentPid: number }): Promise<number> {
  const command = commandOf(argv)
  const wantsHelp = argv[0] === 'help' || argv.some((argument) => argument === '--help' || argument === '-h')
  if (!command || wantsHelp) {
    ;(wantsHelp ? process.stdout : process.stderr).write(`${USAGE}\n`)
    return wantsHelp ? 0 : 2
  }
  try {
    const { loadConfig } = await import('../config.ts')
    const config = loadConfig(cluster.isWorker ? () => undefined : printError)
    const npmParentPid = config.isStartedByNpm ? parentPid : undefined
    const listen = () => (cluster.isWorker ? workerStopRequest() : stopRequest(npmParentPid))
    return await command({ config, stopRequest: listen })
  } catch (error) {
    const problem = error instanceof StartupError ? error : await problemOfDatabase(error)
    if (!problem) throw error
    tellProblem(problem.message)
    return 2
  }
}
