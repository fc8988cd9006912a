import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'
import { toPostgresUrl } from './database-url.ts'
import { StartupError } from './startup-error.ts'

const flag = z
  .enum(['', '0', '1', 'true', 'false', 'yes', 'no'])
  .default('')
  .transform((text) => ['1', 'true', 'yes'].includes(text))
const wholeNumber = (minimum: number, maximum: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.number().int().min(minimum).max(maximum))

const settings = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(4000),
  DATABASE_URL: z
    .string()
    .optional()
    .transform((text) => (text ? toPostgresUrl(text) : undefined)),
  DATABASE_POOL_SIZE: wholeNumber(2, 1000).default(10),
  DATABASE_CONNECT_TIMEOUT_MS: wholeNumber(100, 4_000).default(3_000),
  DATABASE_STATEMENT_TIMEOUT_MS: wholeNumber(100, 600_000).default(4_000),
  DATA_DIR: z.string().min(1).optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DEBUG: flag,
  MIGRATE_ON_START: z
    .enum(['0', '1'])
    .default('1')
    .transform((text) => text === '1'),
  DRAIN_TIMEOUT_MS: wholeNumber(0, 60_000).default(5_000),
  HISTORY_KEEP_REVISIONS: wholeNumber(1, 1_000_000).default(100),
  HISTORY_RETENTION_DAYS: wholeNumber(1, 36_500).default(30),
  SESSION_RETENTION_DAYS: wholeNumber(1, 36_500).optional(),
  FEED_RETENTION_HOURS: wholeNumber(1, 87_600).default(168),
  ALLOW_UNAUTHENTICATED: flag,
})

/** Every setting of the server, with its unit in its name. README's settings table says what each one does. */
export interface Config {
  readonly host: string
  /** 0 lets the system choose a free port. */
  readonly port: number
  /** A postgresql:// URL; undefined starts the embedded PostgreSQL in dataDir. */
  readonly databaseUrl: string | undefined
  readonly databasePoolSize: number
  readonly databaseConnectTimeoutMs: number
  /** After this the database gives a statement up, milliseconds. */
  readonly databaseStatementTimeoutMs: number
  /** Absolute path; undefined lets the embedded server choose (./.data, or /var/lib/waymark: see database/embedded.ts). */
  readonly dataDir: string | undefined
  readonly logLevel: string
  /** Adds stack traces to the log. Never changes what a client sees. */
  readonly debug: boolean
  readonly migrateOnStart: boolean
  /** How long SIGTERM waits for requests in flight, milliseconds. */
  readonly drainTimeoutMs: number
  /** So many of the newest revisions of each (user, stream) are kept, however old they are. */
  readonly historyKeepRevisions: number
  /** Revisions younger than this are kept, however many they are. */
  readonly historyRetentionDays: number
  /** Sessions that ended longer ago are deleted; undefined: none ever is. */
  readonly sessionRetentionDays: number | undefined
  /** Events of the feeds older than this are deleted; cursors from before them are CURSOR_EXPIRED. */
  readonly feedRetentionHours: number
}

/**
 * Parses the settings once. The result is frozen.
 * @param env the process environment, after a .env file in the working directory was merged into it
 * @throws StartupError naming each bad setting and what it accepts
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, text]) => text !== undefined && text !== ''))
  const parsed = settings.safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new StartupError(`bad setting: ${problems.join('; ')}. README.md's settings table lists what each accepts.`)
  }
  const { data } = parsed
  if (!isLoopback(data.HOST) && !data.ALLOW_UNAUTHENTICATED) {
    throw new StartupError(
      `HOST=${data.HOST} is reachable from other machines and this version has no authentication: ` +
        'set HOST=127.0.0.1, or ALLOW_UNAUTHENTICATED=1 if something in front of Waymark authenticates.',
    )
  }
  return Object.freeze({
    host: data.HOST,
    port: data.PORT,
    databaseUrl: data.DATABASE_URL,
    databasePoolSize: data.DATABASE_POOL_SIZE,
    databaseConnectTimeoutMs: data.DATABASE_CONNECT_TIMEOUT_MS,
    databaseStatementTimeoutMs: data.DATABASE_STATEMENT_TIMEOUT_MS,
    dataDir: data.DATA_DIR === undefined ? undefined : resolve(data.DATA_DIR),
    logLevel: data.LOG_LEVEL,
    debug: data.DEBUG,
    migrateOnStart: data.MIGRATE_ON_START,
    drainTimeoutMs: data.DRAIN_TIMEOUT_MS,
    historyKeepRevisions: data.HISTORY_KEEP_REVISIONS,
    historyRetentionDays: data.HISTORY_RETENTION_DAYS,
    sessionRetentionDays: data.SESSION_RETENTION_DAYS,
    feedRetentionHours: data.FEED_RETENTION_HOURS,
  })
}

/**
 * The settings of this process: its environment, and below it a .env file in the working directory, if there is one.
 * @throws StartupError as readConfig does
 */
export function loadConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile('.env')
  return readConfig(process.env)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
