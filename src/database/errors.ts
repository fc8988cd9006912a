import { Fault } from '../errors/fault.ts'

const UNREACHABLE =
  'The database cannot be reached just now. This operation may have taken effect or not; try again in a few seconds.'
const LOCKED = 'Another transaction holds a row that this needs. Nothing was written; try again.'
const TOO_LONG = 'The database took too long. Try again, or ask for less at once.'
const DISK_FULL = 'The database has no disk space left. Nothing was written; try again once the operator has made room.'
const READ_ONLY =
  'The database takes no writes just now: it is a standby, or read-only. Nothing was written; try again in a few seconds.'
const STORAGE_FAILED =
  'The database cannot read or write its files just now. Nothing was written; try again once the operator has looked.'
const BAD_DATE = 'A date, or the date in a cursor, is out of range.'

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
])

/** Prisma's codes for: refused, cannot reach, timed out, no such database, TLS, connection closed, pool timeout. */
const PRISMA_UNREACHABLE = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P2024',
  'P2037',
])

/** The kinds of Prisma's driver adapter for a connection that failed: raw statements have no other mark. */
const UNREACHABLE_KINDS = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
  'TlsConnectionError',
  'AuthenticationFailed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
])

/** Node's codes for a certificate that is refused, or a handshake that failed. */
const TLS_CODES = /^(ERR_SSL_|ERR_TLS_|UNABLE_TO_|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)/

/**
 * node-postgres and pg-pool throw these as plain errors without a code (pg 8.23, client.js and pg-pool index.js). So do
 * connection/host-search.ts and connection/session-settings.ts. Prisma keeps only the message.
 */
const UNREACHABLE_MESSAGES =
  /^(No host takes connections for writing|A connection did not keep its settings|timeout exceeded when trying to connect|timeout expired|Connection terminated|Client has encountered a connection error|Cannot use a pool after|Query read timeout|The server does not support SSL|There was an error establishing an SSL|Can't reach database server)/

/** The SQLSTATE that PostgreSQL gave, also inside Prisma's wrapping; undefined: PostgreSQL gave none. */
export function sqlState(error: unknown): string | undefined {
  for (const layer of layersOf(error)) {
    for (const key of ['code', 'originalCode']) {
      const code = (layer as Record<string, unknown>)[key]
      if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('P1') && !code.startsWith('P2')) {
        return code
      }
    }
  }
  return undefined
}

/**
 * Turns an error of the database or its drivers into the fault that a client may see, with the original as its cause.
 * An error that it does not know is returned as it is, to be masked and logged further up.
 */
export function faultOf(error: unknown): unknown {
  if (error instanceof Fault) return error
  const state = sqlState(error)
  if (state === '53100') return new Fault('SERVICE_UNAVAILABLE', DISK_FULL, { cause: error })
  if (state === '25006') return new Fault('SERVICE_UNAVAILABLE', READ_ONLY, { cause: error })
  // 58: system errors, e.g. 58030 io_error, 58P01 a file is missing.
  if (state?.startsWith('58')) return new Fault('SERVICE_UNAVAILABLE', STORAGE_FAILED, { cause: error })
  if (state === undefined ? isNetworkFailure(error) : isUnreachableState(state) || endedSession(error)) {
    return new Fault('SERVICE_UNAVAILABLE', UNREACHABLE, { cause: error })
  }
  if (state === '55P03' || state === '40P01' || state === '40001') {
    return new Fault('SERVICE_UNAVAILABLE', LOCKED, { cause: error })
  }
  if (state === '57014') return new Fault('SERVICE_UNAVAILABLE', TOO_LONG, { cause: error })
  if (state === '22007' || state === '22008') return new Fault('BAD_USER_INPUT', BAD_DATE, { cause: error })
  return error
}

/**
 * 08: connection exception; 57P0x: shutting down, crashed, starting up, dropped; 53: too many connections, out of
 * memory or disk; 28: the password or the role is refused, while somebody changes it; 3D000: the database is gone, or
 * is being renamed; F0: a configuration file that cannot be read.
 */
function isUnreachableState(state: string): boolean {
  return /^(08|57P|53|28|3D000|F0)/.test(state)
}

/**
 * Whether PostgreSQL ended the session with this error, or never began it. Its code may be one that a statement can get
 * too: 55000 says that the database accepts no connections just now (ALLOW_CONNECTIONS false, while somebody renames,
 * restores or drops it), or that lastval() came before nextval(); 42501, that the role may not connect. PostgreSQL
 * reports the first while it sets up a session, in postinit.c, and as FATAL. Both marks are checked, since Prisma
 * passes no file on, and the severity is in the server's language.
 */
function endedSession(error: unknown): boolean {
  return layersOf(error).some((layer) => {
    const { file, severity } = layer as { file?: unknown; severity?: unknown }
    return file === 'postinit.c' || severity === 'FATAL' || severity === 'PANIC'
  })
}

function isNetworkFailure(error: unknown): boolean {
  return layersOf(error).some((layer) => {
    const { code, kind } = layer as { code?: unknown; kind?: unknown }
    if (typeof kind === 'string' && UNREACHABLE_KINDS.has(kind)) return true
    if (typeof code === 'string' && (NETWORK_CODES.has(code) || PRISMA_UNREACHABLE.has(code) || TLS_CODES.test(code))) {
      return true
    }
    return layer instanceof Error && UNREACHABLE_MESSAGES.test(layer.message)
  })
}

/** The error and what it wraps: `cause`, the members of an AggregateError, Prisma's meta.driverAdapterError. */
export function layersOf(error: unknown, depth = 0): object[] {
  if (typeof error !== 'object' || error === null || depth > 4) return []
  const { cause, meta, errors } = error as {
    cause?: unknown
    meta?: { driverAdapterError?: unknown }
    errors?: unknown
  }
  const inner = [cause, meta?.driverAdapterError, ...(Array.isArray(errors) ? (errors as unknown[]) : [])]
  return [error, ...inner.flatMap((layer) => layersOf(layer, depth + 1))]
}
