import { GraphQLError, type ExecutionResult } from 'graphql'
import type { Logger } from 'pino'
import { Fault, RETRIABLE } from '../../errors/fault.ts'
import { describeError } from '../../errors/describe-error.ts'
import { MOST_ERRORS, shortenMessage } from '../../limits/error-limits.ts'

export interface Masking {
  readonly requestId: string
  readonly log: Logger
  /** Adds stack traces of server faults to the log. Unexpected errors always have theirs. */
  readonly debug: boolean
  /**
   * Turns errors of other layers (a library's validation error, a lost database) into faults; undefined: it is not a
   * fault.
   */
  readonly toFault?: ((error: unknown) => Fault | undefined) | undefined
}

/**
 * Turns an error into what a client may read; the only place that does so. Faults pass, and so do request errors of
 * GraphQL (syntax, validation, variables, arguments), which repeat only the request. Everything else becomes
 * INTERNAL_SERVER_ERROR with the request ID, and the original is logged. That includes GraphQL's error about a database
 * value that does not fit the schema.
 */
export function maskError(error: unknown, masking: Masking): GraphQLError {
  const fault = findFault(error, masking)
  if (fault !== undefined) return presentFault(fault, error, masking)
  if (isRequestError(error)) return presentRequestError(error)
  const path = error instanceof GraphQLError ? error.path?.join('.') : undefined
  const description = describeError(originOf(error), { stack: true })
  masking.log.error({ requestId: masking.requestId, path, error: description }, 'unexpected error')
  return toGraphQLError(
    `Unexpected error. It was logged: when you report it, quote request id ${masking.requestId}.`,
    error,
    { code: 'INTERNAL_SERVER_ERROR', requestId: masking.requestId },
  )
}

/**
 * Turns an error from outside a resolver into a GraphQLError for a result. It is masked later like a resolver's error.
 */
export function wrapError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error
  return new GraphQLError('', { originalError: error instanceof Error ? error : new Error(String(error)) })
}

/** Masks the errors of a result: the first 50, and one more that says how many are left out. */
export function maskResult(result: ExecutionResult, masking: Masking): ExecutionResult {
  if (result.errors === undefined) return result
  // yoga turns an aborted operation into an empty list of errors, which tells a client nothing.
  const errors = result.errors.length > 0 ? inOrder(result.errors) : [new Error('the operation was aborted')]
  // 51 are allowed: code that stops at 50 errors says so in one more.
  const told = errors.length > MOST_ERRORS + 1 ? errors.slice(0, MOST_ERRORS) : errors
  const masked = told.map((error) => maskError(error, masking))
  const leftOut = errors.length - told.length
  return { ...result, errors: leftOut > 0 ? [...masked, tellLeftOut(leftOut, masked.at(-1))] : masked }
}

/**
 * Sorts errors by their place in the document and in the answer's lists. graphql-js lists the errors of parallel fields
 * as they happen, so the same request would not always get the same answer.
 */
function inOrder(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  return errors.length < 2 ? errors : errors.toSorted((a, b) => placeOf(a) - placeOf(b) || compareItems(a, b))
}

/** Errors without a position, such as "there are more", come last. */
function placeOf({ positions }: GraphQLError): number {
  return positions?.[0] ?? Infinity
}

/** Compares errors of one field in a list by their items. */
function compareItems({ path: a = [] }: GraphQLError, { path: b = [] }: GraphQLError): number {
  for (const [place, key] of a.entries()) {
    const other = b[place]
    if (typeof key === 'number' && typeof other === 'number' && key !== other) return key - other
  }
  return a.length - b.length
}

function tellLeftOut(count: number, last: GraphQLError | undefined): GraphQLError {
  return new GraphQLError(`${count} more errors are left out: an answer has at most ${MOST_ERRORS}.`, {
    extensions: { code: last?.extensions['code'] },
  })
}

function findFault(error: unknown, masking: Masking): Fault | undefined {
  for (const layer of layers(error)) {
    const fault = layer instanceof Fault ? layer : masking.toFault?.(layer)
    if (fault !== undefined) return fault
  }
  return undefined
}

function presentFault(fault: Fault, error: unknown, { log, requestId, debug }: Masking): GraphQLError {
  const { code, retryAfterSeconds } = fault
  const isServers = code === 'SERVICE_UNAVAILABLE' || code === 'OVERLOADED' || code === 'INTERNAL_SERVER_ERROR'
  // Not logged for each refused request: load.ts logs once that the server is overloaded.
  if (isServers && code !== 'OVERLOADED') {
    log.warn({ requestId, error: describeError(fault, { stack: debug }) }, 'could not serve a request')
  }
  return toGraphQLError(fault.message, error, {
    code,
    ...(isServers && { requestId }),
    ...(RETRIABLE.has(code) && { retryAfterSeconds }),
  })
}

/**
 * An error without a path was found before execution. One with a path is a request error only if its origin is an
 * argument's error, which has syntax nodes of its own.
 */
function isRequestError(error: unknown): error is GraphQLError {
  const origin = originOf(error)
  if (!(error instanceof GraphQLError) || !(origin instanceof GraphQLError)) return false
  return error.path === undefined || (origin !== error && origin.path === undefined && origin.nodes !== undefined)
}

function presentRequestError(error: GraphQLError): GraphQLError {
  return toGraphQLError(shortenMessage(withoutGuesses(error.message)), error, { code: 'BAD_USER_INPUT' })
}

/** Removes graphql-js' suggestions of similar names: a caller who may not read the schema could guess it from them. */
function withoutGuesses(message: string): string {
  return message.replace(/ Did you mean (?:(?! Did you mean ).)*\?$/s, '')
}

function toGraphQLError(message: string, error: unknown, extensions: Record<string, unknown>): GraphQLError {
  if (!(error instanceof GraphQLError)) return new GraphQLError(message, { extensions })
  const { nodes, source, positions, path } = error
  return new GraphQLError(message, { nodes, source, positions, path, extensions })
}

function originOf(error: unknown): unknown {
  return [...layers(error)].at(-1)
}

function* layers(error: unknown): Generator {
  let layer = error
  for (; layer instanceof GraphQLError && layer.originalError != null; layer = layer.originalError) yield layer
  yield layer
}
