import { setTimeout as delay } from 'node:timers/promises'
import { type Logger, pino } from 'pino'
import { KEY_USAGE, runKeyCommand } from './access/cli-keys.ts'
import { type App, startApp } from './app.ts'
import { type Config, loadConfig } from './config.ts'
import { joinEmbedded } from './database/embedded.ts'
import { migrate } from './database/migrate.ts'
import { verifySchema } from './database/verify.ts'
import { resetFeed } from './events/reset.ts'
import { printApi } from './graphql/schema.ts'
import { createServerLog } from './log.ts'
import { seed } from './seed.ts'
import { StartupError } from './startup-error.ts'

const USAGE = `usage: waymark <command>
  serve          serve the API (default)
  migrate        bring the database to this version's schema
  verify         name each difference between the database and this version's schema; exit 1 if there is any
  feed reset     begin a new generation of the feeds, after a restore or a failover (docs/feeds.md)
${KEY_USAGE}
  seed           fill the database with a small data set to try things on
  print-schema   print the API as SDL
Settings come from the environment and from .env; docs/settings.md lists them.`

/** What closing may take beyond the drain of requests: feed, pool and embedded database, milliseconds. */
const STOP_MARGIN_MS = 3_000
const LINGER_MS = 200

const commands: Record<string, (config: Config) => Promise<number>> = {
  serve,
  migrate: (config) =>
    onDatabase(config, async (databaseUrl) => {
      const { applied, present } = await migrate({ databaseUrl, log: pino({ level: 'warn' }) })
      print(
        applied.length > 0
          ? applied.map((name) => `applied ${name}`).join('\n')
          : `nothing to apply: ${present.length} migrations are there`,
      )
      return 0
    }),
  verify: (config) =>
    onDatabase(config, async (databaseUrl) => {
      const differences = await verifySchema({ databaseUrl })
      print(differences.length > 0 ? differences.join('\n') : 'the schema is as it should be')
      return differences.length > 0 ? 1 : 0
    }),
  'feed reset': (config) =>
    onDatabase(config, async (databaseUrl) => {
      const { generation, previous } = await resetFeed({ databaseUrl })
      print(
        `the feeds begin anew: generation ${generation} instead of ${previous}. Every cursor given out before is CURSOR_EXPIRED; its holder lists again.\n` +
          'Servers that run take it up within a second or so.',
      )
      return 0
    }),
  seed: (config) =>
    onDatabase(config, async (databaseUrl) => {
      await migrate({ databaseUrl })
      print(await seed(databaseUrl))
      return 0
    }),
  'print-schema': () => {
    process.stdout.write(printApi())
    return Promise.resolve(0)
  },
}

async function serve(config: Config): Promise<number> {
  const log = createServerLog(config.debug ? 'debug' : config.logLevel)
  const stopped = stopSignal()
  const app = await startApp(config, log)
  const line = `Waymark serves ${app.url} (${app.notes.join('; ')})`
  if (process.stdout.isTTY || !log.isLevelEnabled('info')) print(line)
  log.info({ url: app.url }, line)
  const signal = await stopped
  log.info({ signal }, 'stopping')
  await closeInTime(app, config, log)
  log.info('stopped')
  // A database that has stopped answering never closes its connections; they must not keep the process.
  setTimeout(() => process.exit(0), LINGER_MS).unref()
  return 0
}

function keyCommand(args: readonly string[]): (config: Config) => Promise<number> {
  return (config) =>
    onDatabase(config, (databaseUrl) => runKeyCommand(databaseUrl, args, { mayMigrate: config.migrateOnStart, print }))
}

/** Closes the server; gives it up where that takes longer than its drain and a margin: it is killed after 10 s in many places. */
async function closeInTime(app: App, { drainTimeoutMs }: Config, log: Logger): Promise<void> {
  const closed = new AbortController()
  const late = delay(drainTimeoutMs + STOP_MARGIN_MS, 'late', { signal: closed.signal }).catch(() => 'closed')
  try {
    if ((await Promise.race([app.close(), late])) === 'late') {
      log.warn('the database did not let its connections go in time: ended without it')
    }
  } finally {
    closed.abort()
  }
}

/** Also remembers a signal that comes while the server still starts. A second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1))
        resolve(signal)
      })
    }
  })
}

/** Runs a command on DATABASE_URL, or on the embedded database: a running server's, or one started for as long as that takes. */
async function onDatabase(config: Config, run: (databaseUrl: string) => Promise<number>): Promise<number> {
  if (config.databaseUrl !== undefined) return run(config.databaseUrl)
  const embedded = await joinEmbedded({ dataDir: config.dataDir, log: pino({ level: 'warn' }) })
  try {
    return await run(embedded.url)
  } finally {
    await embedded.stop()
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/**
 * Runs one command.
 * @param argv what follows the program's name
 * @returns the exit code: 0, 1 where the command's answer is no, 2 where it could not begin (one line on stderr says why)
 */
export async function main(argv: readonly string[]): Promise<number> {
  const name = argv.join(' ') || 'serve'
  const command = argv[0] === 'key' ? keyCommand(argv.slice(1)) : commands[name]
  if (!command) {
    const wantsHelp = ['help', '--help', '-h'].includes(name)
    ;(wantsHelp ? process.stdout : process.stderr).write(`${USAGE}\n`)
    return wantsHelp ? 0 : 2
  }
  try {
    return await command(loadConfig())
  } catch (error) {
    if (!(error instanceof StartupError)) throw error
    process.stderr.write(`waymark: ${error.message}\n`)
    return 2
  }
}
