import { Fault } from '../errors/fault.ts'

const UNREACHABLE =
  'The database cannot be reached just now. This operation may have taken effect or not; try again in a few seconds.'
const LOCKED = 'Another transaction holds a row that this needs. Nothing was written; try again.'
const TOO_LONG = 'The database took too long. Try again, or ask for less at once.'
const DISK_FULL = 'The database has no disk space left. Nothing was written; try again once the operator has made room.'
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

/** Prisma's codes for: cannot reach, timed out, connection closed, pool timeout. */
const PRISMA_UNREACHABLE = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2037'])

/** node-postgres and pg-pool throw these as plain errors without a code (pg 8.23, client.js and pg-pool index.js). */
const UNREACHABLE_MESSAGES =
  /^(timeout exceeded when trying to connect|timeout expired|Connection terminated|Client has encountered a connection error|Cannot use a pool after|Query read timeout|Can't reach database server)/

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
  if (state === undefined ? isNetworkFailure(error) : isUnreachableState(state) || isRefusedConnection(state, error)) {
    return new Fault('SERVICE_UNAVAILABLE', UNREACHABLE, { cause: error })
  }
  if (state === '55P03' || state === '40P01' || state === '40001') {
    return new Fault('SERVICE_UNAVAILABLE', LOCKED, { cause: error })
  }
  if (state === '57014') return new Fault('SERVICE_UNAVAILABLE', TOO_LONG, { cause: error })
  if (state === '22007' || state === '22008') return new Fault('BAD_USER_INPUT', BAD_DATE, { cause: error })
  return error
}

function isUnreachableState(state: string): boolean {
  // 08: connection exception; 57P0x: shutting down, crashed, starting up; 53: too many connections, out of memory or
  // disk.
  return state.startsWith('08') || state.startsWith('57P') || state.startsWith('53')
}

/**
 * 55000 has two meanings. The database accepts no connections just now (ALLOW_CONNECTIONS false, while somebody
 * renames, restores or drops it), or a statement came too early, such as lastval() before nextval(). PostgreSQL reports
 * the first while it sets up a session, in postinit.c. It is FATAL: it ends the session, as no statement's error with
 * this code does. Both marks are checked, since Prisma passes no file on, and the severity is in the server's language.
 */
function isRefusedConnection(state: string, error: unknown): boolean {
  if (state !== '55000') return false
  return layersOf(error).some((layer) => {
    const { file, severity } = layer as { file?: unknown; severity?: unknown }
    return file === 'postinit.c' || severity === 'FATAL'
  })
}

function isNetworkFailure(error: unknown): boolean {
  return layersOf(error).some((layer) => {
    const code = (layer as { code?: unknown }).code
    if (typeof code === 'string' && (NETWORK_CODES.has(code) || PRISMA_UNREACHABLE.has(code))) return true
    return layer instanceof Error && UNREACHABLE_MESSAGES.test(layer.message)
  })
}

/** The error and what it wraps: `cause`, the members of an AggregateError, Prisma's meta.driverAdapterError. */
function layersOf(error: unknown, depth = 0): object[] {
  if (typeof error !== 'object' || error === null || depth > 4) return []
  const { cause, meta, errors } = error as {
    cause?: unknown
    meta?: { driverAdapterError?: unknown }
    errors?: unknown
  }
  const inner = [cause, meta?.driverAdapterError, ...(Array.isArray(errors) ? (errors as unknown[]) : [])]
  return [error, ...inner.flatMap((layer) => layersOf(layer, depth + 1))]
}
