import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { AuthenticationSettings } from './access/authenticate.ts'
import { toPostgresUrl } from './database/connection/database-url.ts'
import { defaultDataDir } from './database/embedded/data-folder.ts'
import { findMisspelt } from './misspelt-settings.ts'
import { StartupError } from './errors/startup-error.ts'
import { packageRoot } from './package-root.ts'

const flag = z
  .enum(['', '0', '1', 'true', 'false', 'yes', 'no'])
  .default('')
  .transform((text) => ['1', 'true', 'yes'].includes(text))
const choice = z.enum(['0', '1']).transform((text) => text === '1')
const wholeNumber = (minimum: number, maximum: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.number().int().min(minimum).max(maximum))

/** A comma-separated list with at least one name. */
const listOf = <const Name extends string>(names: readonly Name[]) =>
  z.string().transform((text, context) => {
    const given = text.split(',').map((word) => names.find((name) => name === word.trim()))
    if (given.includes(undefined)) {
      context.addIssue({ code: 'custom', message: `must be one or more of ${names.join(', ')}, separated by commas` })
    }
    return given.filter((name) => name !== undefined)
  })

const httpUrl = z
  .string()
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'must be an http or https URL')

/**
 * Exact origins as browsers send them: scheme, host, and the port unless it is the scheme's default. Never `*` or
 * `null`.
 */
const origins = z
  .string()
  .transform((text) => text.split(',').map((word) => word.trim()))
  .refine(
    (given) =>
      given.every((origin) => /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin),
    'must be exact origins such as https://dashboard.example.org, without a path, separated by commas',
  )

/** Header names in lower case, as browsers ask for them. `*` would be a valid name, but no header is called so. */
const headerNames = z
  .string()
  .transform((text) => text.split(',').map((word) => word.trim().toLowerCase()))
  .refine(
    (given) => given.every((name) => /^[a-z0-9!#$%&'+.^_`|~-]+$/.test(name)),
    'must be names of headers such as x-tenant, separated by commas',
  )

/**
 * Public-key algorithms only: with a shared secret, the public key would do as the secret where both are accepted.
 * Never "none".
 */
const JWT_ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
]

const settings = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(4000),
  WORKERS: wholeNumber(1, 128).default(1),
  DATABASE_URL: z
    .string()
    .optional()
    .transform((text) => (text ? toPostgresUrl(text) : undefined)),
  DATABASE_DIRECT_URL: z
    .string()
    .optional()
    .transform((text) => (text ? toPostgresUrl(text, 'DATABASE_DIRECT_URL') : undefined)),
  DATABASE_POOL_SIZE: wholeNumber(2, 1000).default(10),
  DATABASE_CONNECT_TIMEOUT_MS: wholeNumber(100, 4_000).default(3_000),
  DATABASE_STATEMENT_TIMEOUT_MS: wholeNumber(100, 600_000).default(4_000),
  DATA_DIR: z.string().min(1).optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DEBUG: flag,
  GRAPHIQL: choice.optional(),
  INTROSPECTION: choice.optional(),
  ALLOWED_ORIGINS: origins.default([]),
  ALLOWED_HEADERS: headerNames.default([]),
  COMPRESSION: choice.default(true),
  PERSISTED_OPERATIONS: z.string().min(1).optional(),
  PERSISTED_ONLY: choice.default(false),
  RATE_LIMIT_POINTS_PER_MINUTE: wholeNumber(0, 1_000_000_000).optional(),
  MAX_STREAMS_PER_CALLER: wholeNumber(1, 1_000_000).default(1_000),
  METRICS_HOST: z.string().min(1).default('127.0.0.1'),
  METRICS_PORT: wholeNumber(0, 65_535).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
  MIGRATE_ON_START: choice.default(true),
  DRAIN_TIMEOUT_MS: wholeNumber(0, 60_000).default(5_000),
  HISTORY_KEEP_REVISIONS: wholeNumber(1, 1_000_000).default(100),
  HISTORY_RETENTION_DAYS: wholeNumber(1, 36_500).default(30),
  SESSION_RETENTION_DAYS: wholeNumber(1, 36_500).optional(),
  FEED_RETENTION_HOURS: wholeNumber(1, 87_600).default(168),
  AUTHENTICATION: listOf(['keys', 'jwt'] as const).optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: z.string().min(1).optional(),
  JWT_JWKS_URL: z.string().refine(isSafeUrl, 'must be an https URL (http only on this machine)').optional(),
  JWT_ALGORITHMS: listOf(JWT_ALGORITHMS).default(['RS256', 'ES256', 'EdDSA']),
  JWT_USER_IDS_CLAIM: z.string().min(1).default('waymark_user_ids'),
})

/** The names of the environment variables that are read. */
export const settingNames: readonly string[] = Object.keys(settings.shape)

/** Every setting of the server, with its unit in its name. docs/settings.md says what each one does. */
export interface Config extends AuthenticationSettings {
  readonly host: string
  /** 0 lets the system choose a free port. */
  readonly port: number
  /** How many processes serve the port. 1: this one. */
  readonly workers: number
  /** A postgresql:// URL; undefined: the server starts the embedded PostgreSQL in dataDir. */
  readonly databaseUrl: string | undefined
  /** The same database without the pooler that databaseUrl leads to; undefined: there is no pooler. */
  readonly databaseDirectUrl: string | undefined
  readonly databasePoolSize: number
  readonly databaseConnectTimeoutMs: number
  /** The database cancels a statement after this time, milliseconds. */
  readonly databaseStatementTimeoutMs: number
  /** Absolute path; undefined: defaultDataDir, or /var/lib/waymark where root cannot use that. */
  readonly dataDir: string | undefined
  readonly defaultDataDir: string
  readonly logLevel: string
  /** Adds stack traces to the log. Never changes what a client sees. */
  readonly debug: boolean
  /** Whether a browser that opens /graphql gets GraphiQL, and whether clients may ask for the schema. */
  readonly graphiql: boolean
  readonly introspection: boolean
  /** Sites whose pages may send operations, besides the server's own. */
  readonly allowedOrigins: readonly string[]
  /** Headers that those pages may send besides the usual ones of GraphQL clients; in lower case. */
  readonly allowedHeaders: readonly string[]
  /** Whether large answers are compressed for clients that accept it. */
  readonly compression: boolean
  /** Absolute path of a manifest of documents that clients may name. */
  readonly persistedOperations: string | undefined
  /** Whether documents outside the manifest are refused. */
  readonly persistedOnly: boolean
  /**
   * Points that one caller may use on one server in a minute: one for each operation and for each object that it could
   * return. 0: no limit.
   */
  readonly rateLimitPointsPerMinute: number
  /** Subscriptions that one caller may have open on one server at the same time. */
  readonly maxStreamsPerCaller: number
  readonly metricsHost: string
  /** The port of GET /metrics; undefined: metrics are not served. 0 lets the system choose a free port. */
  readonly metricsPort: number | undefined
  /** The URL of an OpenTelemetry collector, with its path; undefined: no traces. */
  readonly tracesUrl: string | undefined
  readonly migrateOnStart: boolean
  /** How long a stop waits for requests in flight, milliseconds. */
  readonly drainTimeoutMs: number
  /** How many of the newest revisions of each user's stream are kept, however old they are. */
  readonly historyKeepRevisions: number
  /** Revisions younger than this are kept, however many they are. */
  readonly historyRetentionDays: number
  /** Sessions that ended longer ago are deleted; undefined: sessions are never deleted. */
  readonly sessionRetentionDays: number | undefined
  /** Events of the feeds older than this are deleted. Cursors from before them are answered CURSOR_EXPIRED. */
  readonly feedRetentionHours: number
  /** Whether npm started this process, by a script or npx. Then the process stops when npm is gone. */
  readonly isStartedByNpm: boolean
}

/**
 * Parses and checks the settings. The result is frozen.
 * @param env the process environment, with a .env file already merged into it
 * @throws StartupError that names each bad setting and what it accepts
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, text]) => text !== undefined && text !== ''))
  const parsed = settings.safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new StartupError(`bad setting: ${problems.join('; ')}. docs/settings.md says what each accepts.`)
  }
  const { data } = parsed
  const authentication = [...new Set(data.AUTHENTICATION ?? [])]
  requireAuthentication(data.HOST, authentication, {
    JWT_ISSUER: data.JWT_ISSUER,
    JWT_AUDIENCE: data.JWT_AUDIENCE,
    JWT_JWKS_URL: data.JWT_JWKS_URL,
  })
  if (data.DATABASE_DIRECT_URL !== undefined && data.DATABASE_URL === undefined) {
    throw new StartupError(
      'DATABASE_DIRECT_URL without DATABASE_URL would have no effect: it is the way past a pooler. Set DATABASE_URL.',
    )
  }
  if (data.PERSISTED_ONLY && data.PERSISTED_OPERATIONS === undefined) {
    throw new StartupError('PERSISTED_ONLY=1 without a manifest would refuse everything: set PERSISTED_OPERATIONS too.')
  }
  return Object.freeze({
    host: data.HOST,
    port: data.PORT,
    workers: data.WORKERS,
    databaseUrl: data.DATABASE_URL,
    databaseDirectUrl: data.DATABASE_DIRECT_URL,
    databasePoolSize: data.DATABASE_POOL_SIZE,
    databaseConnectTimeoutMs: data.DATABASE_CONNECT_TIMEOUT_MS,
    databaseStatementTimeoutMs: data.DATABASE_STATEMENT_TIMEOUT_MS,
    dataDir: data.DATA_DIR === undefined ? undefined : resolve(data.DATA_DIR),
    defaultDataDir: defaultDataDir(packageRoot, env['XDG_DATA_HOME']),
    logLevel: data.LOG_LEVEL,
    debug: data.DEBUG,
    // Off with authentication, so that attackers learn less about the API; on for somebody who tries it on a laptop.
    graphiql: data.GRAPHIQL ?? authentication.length === 0,
    introspection: data.INTROSPECTION ?? authentication.length === 0,
    allowedOrigins: data.ALLOWED_ORIGINS,
    allowedHeaders: data.ALLOWED_HEADERS,
    compression: data.COMPRESSION,
    persistedOperations: data.PERSISTED_OPERATIONS === undefined ? undefined : resolve(data.PERSISTED_OPERATIONS),
    persistedOnly: data.PERSISTED_ONLY,
    // Without authentication all callers count as one, and all are on this machine.
    rateLimitPointsPerMinute: data.RATE_LIMIT_POINTS_PER_MINUTE ?? (authentication.length === 0 ? 0 : 300_000),
    maxStreamsPerCaller: data.MAX_STREAMS_PER_CALLER,
    metricsHost: data.METRICS_HOST,
    metricsPort: data.METRICS_PORT,
    tracesUrl:
      data.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? data.OTEL_EXPORTER_OTLP_ENDPOINT?.replace(/\/?$/, '/v1/traces'),
    migrateOnStart: data.MIGRATE_ON_START,
    drainTimeoutMs: data.DRAIN_TIMEOUT_MS,
    historyKeepRevisions: data.HISTORY_KEEP_REVISIONS,
    historyRetentionDays: data.HISTORY_RETENTION_DAYS,
    sessionRetentionDays: data.SESSION_RETENTION_DAYS,
    feedRetentionHours: data.FEED_RETENTION_HOURS,
    authentication,
    jwtIssuer: data.JWT_ISSUER,
    jwtAudience: data.JWT_AUDIENCE,
    jwtJwksUrl: data.JWT_JWKS_URL,
    jwtAlgorithms: data.JWT_ALGORITHMS,
    jwtUserIdsClaim: data.JWT_USER_IDS_CLAIM,
    isStartedByNpm: env['npm_lifecycle_event'] !== undefined,
  })
}

/**
 * Reads the settings of this process: its environment and, for what is not set there, a .env file in the working
 * directory.
 * @param warn called with one line for each variable that looks like a misspelt setting
 * @throws StartupError as readConfig does, and if .env exists but cannot be read
 */
export function loadConfig(warn: (line: string) => void): Config {
  loadEnvFile()
  for (const { variable, meant } of findMisspelt(process.env, settingNames)) {
    warn(`${variable} is no setting of Waymark and has no effect: did you mean ${meant.join(' or ')}?`)
  }
  return readConfig(process.env)
}

function loadEnvFile(): void {
  if (!existsSync('.env')) return
  try {
    process.loadEnvFile('.env')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StartupError(`.env cannot be read (${reason}): make it a file of lines NAME=value, or remove it.`, {
      cause,
    })
  }
}

/**
 * Refuses settings that would leave the server open by mistake: an address that others can reach without
 * authentication, or an incomplete setup of tokens.
 */
function requireAuthentication(
  host: string,
  authentication: readonly string[],
  jwtSettings: Record<string, string | undefined>,
): void {
  if (authentication.length === 0 && !isLoopback(host)) {
    throw new StartupError(
      `HOST=${host} is reachable from other machines and nobody would have to authenticate: ` +
        'set AUTHENTICATION=keys (then `key create`), AUTHENTICATION=jwt, or HOST=127.0.0.1. docs/access.md says how.',
    )
  }
  const given = Object.keys(jwtSettings).filter((name) => jwtSettings[name] !== undefined)
  const missing = Object.keys(jwtSettings).filter((name) => jwtSettings[name] === undefined)
  if (authentication.includes('jwt') && missing.length > 0) {
    throw new StartupError(`AUTHENTICATION names jwt: set ${missing.join(' and ')} too. docs/access.md says to what.`)
  }
  if (!authentication.includes('jwt') && given.length > 0) {
    throw new StartupError(
      `${given.join(' and ')} would have no effect: add jwt to AUTHENTICATION. docs/access.md says how.`,
    )
  }
}

/** Whether keys may be fetched from this URL: somebody who can change them on the way could sign tokens. */
function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')))
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
