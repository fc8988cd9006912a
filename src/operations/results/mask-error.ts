import { GraphQLError, type ExecutionResult } from 'graphql'
import type { Logger } from 'pino'
import { Fault, RETRIABLE } from '../../errors/fault.ts'
import { describeError } from '../../errors/describe-error.ts'
import { MOST_ERRORS, shortenMessage } from '../../limits/error-limits.ts'

export interface Masking {
  readonly requestId: string
  readonly log: Logger
  /** Adds stack traces of server faults to the log; unexpected errors always have theirs. */
  readonly debug: boolean
  /** Recognises other layers' errors (a library's validation error, a lost database) as faults; undefined: not one. */
  readonly toFault?: ((error: unknown) => Fault | undefined) | undefined
}

/**
 * The one place where errors become what a client may read. Let through: a Fault, and a request error of GraphQL itself (syntax,
 * validation, variables, arguments), which repeats nothing but the request. All else, also GraphQL's complaint that a value
 * from the database doesn't fit the schema, becomes INTERNAL_SERVER_ERROR with the request id; the original is logged.
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

/** What was thrown outside a resolver, as a result holds it; masked later like what a resolver throws. */
export function wrapError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error
  return new GraphQLError('', { originalError: error instanceof Error ? error : new Error(String(error)) })
}

/** Masks the errors of a result: the first 50, and one that says how many more there were. */
export function maskResult(result: ExecutionResult, masking: Masking): ExecutionResult {
  if (result.errors === undefined) return result
  // yoga turns an aborted operation into an empty list of errors, which tells a client nothing.
  const errors = result.errors.length > 0 ? inOrder(result.errors) : [new Error('the operation was aborted')]
  // One more is none too many: what found 50 and stopped says so in another one.
  const told = errors.length > MOST_ERRORS + 1 ? errors.slice(0, MOST_ERRORS) : errors
  const masked = told.map((error) => maskError(error, masking))
  const leftOut = errors.length - told.length
  return { ...result, errors: leftOut > 0 ? [...masked, tellLeftOut(leftOut, masked.at(-1))] : masked }
}

/**
 * In the order of the document, and of the lists in the answer. Of fields that are resolved side by side graphql-js tells
 * the errors as they come, so that the same request would not always have the same answer.
 */
function inOrder(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  return errors.length < 2 ? errors : errors.toSorted((a, b) => placeOf(a) - placeOf(b) || compareItems(a, b))
}

/** What has no place, as "there are more", comes last. */
function placeOf({ positions }: GraphQLError): number {
  return positions?.[0] ?? Infinity
}

/** Of errors of one field in a list: by their items. */
function compareItems({ path: a = [] }: GraphQLError, { path: b = [] }: GraphQLError): number {
  for (const [place, key] of a.entries()) {
    const other = b[place]
    if (typeof key === 'number' && typeof other === 'number' && key !== other) return key - other
  }
  return a.length - b.length
}

function tellLeftOut(count: number, last: GraphQLError | undefined): GraphQLError {
  return new GraphQLError(`${count} more errors are left out: an answer tells ${MOST_ERRORS}.`, {
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
  // Not of each that is shed: who has too much to do already says so once (load.ts).
  if (isServers && code !== 'OVERLOADED') {
    log.warn({ requestId, error: describeError(fault, { stack: debug }) }, 'could not serve a request')
  }
  return toGraphQLError(fault.message, error, {
    code,
    ...(isServers && { requestId }),
    ...(RETRIABLE.has(code) && { retryAfterSeconds }),
  })
}

/** Without a path it was found before execution; with one, only an argument's error carries syntax nodes of its own. */
function isRequestError(error: unknown): error is GraphQLError {
  const origin = originOf(error)
  if (!(error instanceof GraphQLError) || !(origin instanceof GraphQLError)) return false
  return error.path === undefined || (origin !== error && origin.path === undefined && origin.nodes !== undefined)
}

function presentRequestError(error: GraphQLError): GraphQLError {
  return toGraphQLError(shortenMessage(withoutGuesses(error.message)), error, { code: 'BAD_USER_INPUT' })
}

/** graphql-js suggests names of the schema that resemble a wrong one: who may not read the schema could guess it word by word. */
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
