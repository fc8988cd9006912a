import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { defaultDataDir } from '../../src/database/embedded/data-folder.ts'
import { StartupError } from '../../src/errors/startup-error.ts'

const refusal = (env: Record<string, string>): string => {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof StartupError) return error.message
    throw error
  }
  throw new Error(`${JSON.stringify(env)} was accepted`)
}

const JWT = {
  JWT_ISSUER: 'https://id.example.org',
  JWT_AUDIENCE: 'waymark',
  JWT_JWKS_URL: 'https://id.example.org/jwks.json',
}

describe('the data of the embedded database', () => {
  const installed = '/usr/lib/node_modules/waymark'

  it('are in the working directory of a checkout', () => {
    expect(defaultDataDir('/home/alice/waymark', '/data')).toBe(resolve('.data'))
  })

  it.each([
    ['in XDG_DATA_HOME where that is set', '/data', 'linux', '/data/waymark'],
    ['in .local/share where it is not', '', 'linux', join(homedir(), '.local/share/waymark')],
    ['in the Library on macOS', undefined, 'darwin', join(homedir(), 'Library/Application Support/waymark')],
  ] as const)('of an installed package are %s', (_where, xdgDataHome, platform, expected) => {
    expect(defaultDataDir(installed, xdgDataHome, platform)).toBe(expected)
  })
})

describe('the settings', () => {
  it('refuse a way past a pooler where there is no pooler', () => {
    expect(() => readConfig({ DATABASE_DIRECT_URL: 'postgresql://db/app' })).toThrow(
      /^DATABASE_DIRECT_URL without DATABASE_URL would have no effect: .* Set DATABASE_URL\.$/,
    )
  })

  it('have the defaults that docs/settings.md gives', () => {
    expect(readConfig({})).toEqual({
      host: '127.0.0.1',
      port: 4000,
      workers: 1,
      databaseUrl: undefined,
      databaseDirectUrl: undefined,
      databasePoolSize: 10,
      databaseConnectTimeoutMs: 3_000,
      databaseStatementTimeoutMs: 4_000,
      dataDir: undefined,
      defaultDataDir: resolve('.data'),
      logLevel: 'info',
      debug: false,
      graphiql: true,
      introspection: true,
      allowedOrigins: [],
      allowedHeaders: [],
      compression: true,
      maxStreamsPerCaller: 1_000,
      rateLimitPointsPerMinute: 0,
      persistedOperations: undefined,
      persistedOnly: false,
      metricsHost: '127.0.0.1',
      metricsPort: undefined,
      tracesUrl: undefined,
      migrateOnStart: true,
      drainTimeoutMs: 5_000,
      feedRetentionHours: 168,
      historyKeepRevisions: 100,
      historyRetentionDays: 30,
      sessionRetentionDays: undefined,
      authentication: [],
      jwtIssuer: undefined,
      jwtAudience: undefined,
      jwtJwksUrl: undefined,
      jwtAlgorithms: ['RS256', 'ES256', 'EdDSA'],
      jwtUserIdsClaim: 'waymark_user_ids',
      isStartedByNpm: false,
    })
  })

  it('leave a database that is down time to be answered within 5 s', () => {
    const { databaseConnectTimeoutMs, databaseStatementTimeoutMs } = readConfig({})
    expect(databaseConnectTimeoutMs).toBeLessThan(5_000)
    expect(databaseStatementTimeoutMs).toBeLessThan(5_000)
  })

  it('leave a drain time to end within the 10 s of SIGTERM', () => {
    expect(readConfig({}).drainTimeoutMs).toBeLessThan(10_000)
  })

  it('are what the environment says', () => {
    expect(
      readConfig({
        HOST: '::1',
        PORT: '0',
        WORKERS: '3',
        DATABASE_URL: 'postgres://db/app',
        DATABASE_POOL_SIZE: '3',
        DATABASE_CONNECT_TIMEOUT_MS: '100',
        DATABASE_STATEMENT_TIMEOUT_MS: '600000',
        DATA_DIR: '/srv/waymark',
        LOG_LEVEL: 'silent',
        DEBUG: '1',
        GRAPHIQL: '1',
        INTROSPECTION: '0',
        ALLOWED_ORIGINS: 'https://dashboard.example.org, http://localhost:3000',
        ALLOWED_HEADERS: 'X-Tenant, baggage',
        COMPRESSION: '0',
        MAX_STREAMS_PER_CALLER: '11',
        RATE_LIMIT_POINTS_PER_MINUTE: '12',
        PERSISTED_OPERATIONS: '/manifest.json',
        PERSISTED_ONLY: '1',
        METRICS_HOST: '::1',
        METRICS_PORT: '0',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/',
        DATABASE_DIRECT_URL: 'postgres://db:5433/app',
        MIGRATE_ON_START: '0',
        DRAIN_TIMEOUT_MS: '0',
        HISTORY_KEEP_REVISIONS: '7',
        HISTORY_RETENTION_DAYS: '8',
        SESSION_RETENTION_DAYS: '9',
        FEED_RETENTION_HOURS: '10',
        AUTHENTICATION: 'keys, jwt,keys',
        ...JWT,
        JWT_ALGORITHMS: 'ES256,PS512',
        JWT_USER_IDS_CLAIM: 'https://example.org/users',
      }),
    ).toEqual({
      host: '::1',
      port: 0,
      workers: 3,
      databaseUrl: 'postgresql://db/app',
      databaseDirectUrl: 'postgresql://db:5433/app',
      databasePoolSize: 3,
      databaseConnectTimeoutMs: 100,
      databaseStatementTimeoutMs: 600_000,
      dataDir: '/srv/waymark',
      defaultDataDir: resolve('.data'),
      logLevel: 'silent',
      debug: true,
      graphiql: true,
      introspection: false,
      allowedOrigins: ['https://dashboard.example.org', 'http://localhost:3000'],
      allowedHeaders: ['x-tenant', 'baggage'],
      compression: false,
      maxStreamsPerCaller: 11,
      rateLimitPointsPerMinute: 12,
      persistedOperations: '/manifest.json',
      persistedOnly: true,
      metricsHost: '::1',
      metricsPort: 0,
      tracesUrl: 'http://collector:4318/v1/traces',
      migrateOnStart: false,
      drainTimeoutMs: 0,
      historyKeepRevisions: 7,
      historyRetentionDays: 8,
      sessionRetentionDays: 9,
      feedRetentionHours: 10,
      authentication: ['keys', 'jwt'],
      jwtIssuer: 'https://id.example.org',
      jwtAudience: 'waymark',
      jwtJwksUrl: 'https://id.example.org/jwks.json',
      jwtAlgorithms: ['ES256', 'PS512'],
      jwtUserIdsClaim: 'https://example.org/users',
      isStartedByNpm: false,
    })
  })

  it('send traces where OpenTelemetry’s variables say, the one for traces first, as it is', () => {
    const tracesUrl = 'https://traces.example.org/otlp'
    expect(
      readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tracesUrl }),
    ).toMatchObject({ tracesUrl })
    expect(refusal({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' })).toContain('OTEL_EXPORTER_OTLP_ENDPOINT')
  })

  it('show GraphiQL and the schema where nobody has to authenticate, else only when asked to', () => {
    expect(readConfig({ AUTHENTICATION: 'keys' })).toMatchObject({ graphiql: false, introspection: false })
    expect(readConfig({ AUTHENTICATION: 'keys', GRAPHIQL: '1' })).toMatchObject({
      graphiql: true,
      introspection: false,
    })
    expect(readConfig({ GRAPHIQL: '0', INTROSPECTION: '0' })).toMatchObject({ graphiql: false, introspection: false })
  })

  it('can not be changed once read', () => {
    expect(Object.isFrozen(readConfig({}))).toBe(true)
  })

  it('that are empty are as good as missing', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: '', DATA_DIR: '', DEBUG: '', LOG_LEVEL: '' })).toEqual(readConfig({}))
  })

  it('ignore what the environment holds for others', () => {
    expect(readConfig({ PATH: '/bin', POSTGRES_URL: 'mysql://x' })).toEqual(readConfig({}))
  })

  it('make DATA_DIR absolute', () => {
    expect(readConfig({ DATA_DIR: 'data' }).dataDir).toBe(`${process.cwd()}/data`)
  })

  it.each<Record<string, string>>([
    { PORT: '-1' },
    { PORT: '65536' },
    { PORT: '80.5' },
    { PORT: '0x50' },
    { PORT: ' 80' },
    { DATABASE_POOL_SIZE: '1' },
    { DATABASE_CONNECT_TIMEOUT_MS: '99' },
    { DATABASE_CONNECT_TIMEOUT_MS: '4001' },
    { DATABASE_STATEMENT_TIMEOUT_MS: '0' },
    { DRAIN_TIMEOUT_MS: '60001' },
    { LOG_LEVEL: 'INFO' },
    { DEBUG: 'maybe' },
    { MIGRATE_ON_START: 'no' },
    { GRAPHIQL: 'on' },
    { INTROSPECTION: '2' },
    { MAX_STREAMS_PER_CALLER: '0' },
    { ALLOWED_ORIGINS: '*' },
    { ALLOWED_ORIGINS: 'null' },
    { ALLOWED_ORIGINS: 'dashboard.example.org' },
    { ALLOWED_ORIGINS: 'https://dashboard.example.org/' },
    { ALLOWED_ORIGINS: 'https://dashboard.example.org,' },
    { ALLOWED_HEADERS: '*' },
    { COMPRESSION: 'gzip' },
    { ALLOWED_HEADERS: 'x-tenant,' },
    { ALLOWED_HEADERS: 'x tenant' },
    { ALLOWED_HEADERS: 'x-tenant: 1' },
    { AUTHENTICATION: 'none' },
    { AUTHENTICATION: 'keys,' },
    { JWT_ALGORITHMS: 'HS256' },
    { JWT_ALGORITHMS: 'RS256,none' },
    { JWT_JWKS_URL: 'http://id.example.org/jwks.json' },
    { JWT_JWKS_URL: '/etc/jwks.json' },
  ])('refuse %j, naming the setting and where to look', (env) => {
    const [name = ''] = Object.keys(env)
    expect(refusal(env)).toMatch(new RegExp(`^bad setting: ${name}: [^\\n]*docs/settings\\.md`))
  })

  it('name every bad one at once', () => {
    expect(refusal({ PORT: 'http', LOG_LEVEL: 'loud' })).toMatch(/PORT: .*LOG_LEVEL: /)
  })

  it.each(['127.0.0.1', '127.8.9.1', '::1', 'localhost'])(
    'take %s, which only this machine reaches, without more',
    (HOST) => {
      expect(readConfig({ HOST }).host).toBe(HOST)
    },
  )

  it.each(['0.0.0.0', '::', '192.168.1.2', '127.example.org', 'localhost.example.org'])(
    'take %s only with authentication',
    (HOST) => {
      expect(refusal({ HOST })).toMatch(/^HOST=[^\n]*AUTHENTICATION=keys[^\n]*$/)
      expect(refusal({ HOST, ALLOW_UNAUTHENTICATED: '1' })).toMatch(/AUTHENTICATION=keys/)
      expect(readConfig({ HOST, AUTHENTICATION: 'keys' }).host).toBe(HOST)
      expect(readConfig({ HOST, AUTHENTICATION: 'jwt', ...JWT }).host).toBe(HOST)
    },
  )

  it.each(Object.keys(JWT))('take tokens only with %s', (name) => {
    expect(refusal({ AUTHENTICATION: 'jwt', ...JWT, [name]: '' })).toContain(`set ${name} too`)
  })

  it('take no setting of tokens without tokens, on whatever address', () => {
    expect(refusal({ JWT_ISSUER: JWT.JWT_ISSUER })).toMatch(/JWT_ISSUER .* add jwt to AUTHENTICATION/)
    expect(refusal({ AUTHENTICATION: 'keys', ...JWT })).toMatch(/add jwt to AUTHENTICATION/)
  })

  it('take a JWKS without TLS from this machine only', () => {
    for (const JWT_JWKS_URL of ['http://127.0.0.1:8080/jwks', 'http://localhost/jwks', 'http://[::1]/jwks']) {
      expect(readConfig({ AUTHENTICATION: 'jwt', ...JWT, JWT_JWKS_URL }).jwtJwksUrl).toBe(JWT_JWKS_URL)
    }
  })

  it('never repeat a database URL, which may hold a password', () => {
    expect(refusal({ DATABASE_URL: 'mysql://waymark:hunter2@db/app' })).not.toContain('hunter2')
    expect(refusal({ DATABASE_URL: 'postgresql://waymark:hunter2@:x/app', PORT: 'http' })).not.toContain('hunter2')
  })
})
