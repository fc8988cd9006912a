import { describe, expect, it } from 'vitest'
import { findMisspelt } from '../../src/misspelt-settings.ts'
import { settingNames } from '../../src/config.ts'

const meantBy = (variable: string, text = '1') =>
  findMisspelt({ [variable]: text }, settingNames).map(({ meant }) => meant.join(' or '))

describe('a variable that looks like a misspelt setting', () => {
  it.each([
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DATABASE_ULR', 'DATABASE_URL'],
    ['DATBASE_UR', 'DATABASE_URL'],
    ['DATABASEURL', 'DATABASE_URL'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['database_url', 'DATABASE_URL'],
    ['Database-Url', 'DATABASE_URL'],
    ['DB_URL', 'DATABASE_URL'],
    ['WAYMARK_DATABASE_URL', 'DATABASE_URL'],
    ['WAYMARK_DATABSE_URL', 'DATABASE_URL'],
    ['WAYMARK_PORT', 'PORT'],
    ['POOL_SIZE', 'DATABASE_POOL_SIZE'],
    ['DRAIN_TIMEOUT', 'DRAIN_TIMEOUT_MS'],
    ['DRAIN_TIMEOUT_SECONDS', 'DRAIN_TIMEOUT_MS'],
    ['FEED_RETENTION_DAYS', 'FEED_RETENTION_HOURS'],
    ['KEEP_REVISIONS', 'HISTORY_KEEP_REVISIONS'],
    ['RATE_LIMIT', 'RATE_LIMIT_POINTS_PER_MINUTE'],
    ['DATADIR', 'DATA_DIR'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['LOG_LEVLE', 'LOG_LEVEL'],
    ['AUTHENTIFICATION', 'AUTHENTICATION'],
    ['JWT_ALGORITHM', 'JWT_ALGORITHMS'],
    ['ALLOWED_ORIGIN', 'ALLOWED_ORIGINS'],
    ['PROT', 'PORT'],
    ['HSOT', 'HOST'],
    ['DEUBG', 'DEBUG'],
    ['host', 'HOST'],
  ])('%s is told, with %s', (variable, setting) => {
    expect(meantBy(variable)).toEqual([setting])
  })

  it('is told with each setting that it could be', () => {
    expect(meantBy('JWT_USER_IDS')).toEqual(['JWT_USER_IDS_CLAIM'])
    expect(meantBy('OTEL_EXPORTER_OTLP')).toEqual(['OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
  })

  it.each(settingNames)('is every one that lacks a letter of %s, if that is no short word', (setting) => {
    for (const [place, letter] of Array.from(setting).entries()) {
      const variable = setting.slice(0, place) + setting.slice(place + 1)
      const swapped = setting.slice(0, place) + (setting[place + 1] ?? '') + letter + setting.slice(place + 2)
      if (setting.length > 5) expect(meantBy(variable), variable).toEqual([setting])
      if (swapped !== setting && place + 1 < setting.length) expect(meantBy(swapped), swapped).toEqual([setting])
    }
  })
})

/** What systems, shells, Node, npm, CI, containers, PostgreSQL and OpenTelemetry set. */
const FOREIGN = `
  PATH HOME USER LOGNAME HOSTNAME HOSTTYPE SHELL SHLVL PWD OLDPWD TERM TERM_PROGRAM COLORTERM LANG LC_ALL LANGUAGE TZ EDITOR PAGER
  MAIL TMPDIR TEMP TMP DISPLAY HISTSIZE HISTFILE COLUMNS LINES MANPATH INFOPATH LS_COLORS SSH_AUTH_SOCK SSH_CONNECTION SSH_CLIENT
  XDG_DATA_DIRS XDG_DATA_HOME XDG_CONFIG_DIRS XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS SUDO_USER INVOCATION_ID JOURNAL_STREAM
  COMPUTERNAME USERNAME USERPROFILE APPDATA PROGRAMDATA SYSTEMROOT PATHEXT COMSPEC
  NODE_ENV NODE_OPTIONS NODE_DEBUG NODE_PATH NODE_EXTRA_CA_CERTS NO_COLOR FORCE_COLOR DEBUG_COLORS DEBUG_HIDE_DATE DEBUG_FD
  npm_config_loglevel npm_config_port npm_package_config_port npm_lifecycle_event npm_config_user_agent INIT_CWD
  CI GITHUB_ACTIONS GITHUB_TOKEN RUNNER_DEBUG CI_DEBUG_TRACE GITLAB_CI BUILD_ID
  KUBERNETES_PORT KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT REDIS_PORT REDIS_URL METRICS_SERVICE_HOST DOCKER_HOST POD_NAME
  HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy ALL_PROXY SSL_CERT_FILE CURL_CA_BUNDLE
  PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGDATA PGSSLMODE PGOPTIONS PGCONNECT_TIMEOUT POSTGRES_HOST POSTGRES_PORT POSTGRES_DB
  DATABASE_USER DATABASE_NAME DATABASE_HOST TEST_DATABASE_URL SHADOW_DATABASE_URL DIRECT_URL JWT_SECRET JWT_EXPIRES_IN
  SORT SORTS PORTS POST COST MOST GHOST HOSTS SPORT DEBUGGER LOG LEVEL DATA URL SIZE RETENTION AUTH ALLOWED_HOSTS CORS_ORIGINS
  WAYMARK_URL WAYMARK_FAULTS LEASE_SECONDS X_TOKEN X_API_URL CHROMIUM
  OTEL_SERVICE_NAME OTEL_SDK_DISABLED OTEL_LOG_LEVEL OTEL_TRACES_EXPORTER OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_PROPAGATORS
  OTEL_RESOURCE_ATTRIBUTES OTEL_BSP_SCHEDULE_DELAY OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_TIMEOUT OTEL_EXPORTER_OTLP_PROTOCOL
  OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_EXPORTER_OTLP_TRACES_TIMEOUT
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT OTEL_EXPORTER_OTLP_LOGS_ENDPOINT OTEL_EXPORTER_OTLP_METRICS_TIMEOUT OTEL_METRICS_EXPORTER`

describe('what others set', () => {
  it.each(FOREIGN.trim().split(/\s+/))('%s is left in peace', (variable) => {
    expect(meantBy(variable)).toEqual([])
  })

  it('is left in peace where Kubernetes tells the address of a service called waymark', () => {
    expect(meantBy('WAYMARK_PORT', 'tcp://10.96.0.7:4000')).toEqual([])
  })

  it('is none where the value is empty, or the name is a setting', () => {
    expect(meantBy('DATABSE_URL', '')).toEqual([])
    expect(settingNames.flatMap((name) => meantBy(name))).toEqual([])
  })
})
