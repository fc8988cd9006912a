import type { DocumentNode, OperationDefinitionNode } from 'graphql'
import type { Logger } from 'pino'
import type { Exchange } from './exchange.ts'
import { rootFieldNames } from './root-field-names.ts'

const longestName = 100

/** Makes a client's text safe for a log line: only name characters, at most 100 of them. */
export function safeName(name: unknown): string | undefined {
  return typeof name === 'string' && name !== '' ? name.slice(0, longestName).replaceAll(/\W/g, '?') : undefined
}

/** Stores in the exchange what a valid operation selects. The field names are the schema's; aliases are left out. */
export function noteOperation(exchange: Exchange, document: DocumentNode, operation: OperationDefinitionNode): void {
  exchange.operationName = safeName(operation.name?.value)
  exchange.operationType = operation.operation
  exchange.rootFields = rootFieldNames(document, operation)
}

/** Logs the start of a subscription. Its second line is the one that every request gets at its end. */
export function logSubscriptionStart(log: Logger, exchange: Exchange): void {
  if (exchange.departure.hasLeft) return
  exchange.isStreaming = true
  log.info(operationOf(exchange), 'subscription started')
}

/** How an exchange ended. */
export interface Ending {
  /** Set for HTTP only, like `status`. */
  readonly method?: string | undefined
  readonly status?: number
  /** Whether the client got the whole answer, so did not leave before. */
  readonly isComplete: boolean
}

/**
 * Writes the line of a request, whatever its transport: the operation, its duration and its outcome. It has no
 * variables, no document and no headers.
 * @param level debug for health checks, which come every few seconds
 */
export function logRequest(
  log: Logger,
  level: 'debug' | 'info',
  path: string,
  exchange: Exchange,
  { method, status, isComplete }: Ending,
): void {
  const { requestId, admitted, operationName, operationType, rootFields, errorCodes, isStreaming, events } = exchange
  // A subscription usually ends because its reader leaves, which is no failure.
  const outcome = !isComplete && !isStreaming ? 'client left' : errorCodes.size > 0 ? [...errorCodes].join(' ') : 'ok'
  // One literal, in which pino omits undefined members: spreads took 5 % of a read's processor time.
  log[level](
    {
      requestId,
      subject: admitted?.principal.subject,
      method,
      operationName,
      operationType,
      rootFields: operationType === undefined ? undefined : rootFields,
      path: operationType === undefined ? safePath(path) : undefined,
      status,
      outcome,
      reason: exchange.refusal,
      durationMs: Math.round(performance.now() - exchange.startedAtMs),
      events: isStreaming ? events : undefined,
    },
    isStreaming ? 'subscription ended' : 'request',
  )
}

function safePath(path: string): string {
  return path.slice(0, longestName).replaceAll(/[^\w/.-]/g, '?')
}

function operationOf({ requestId, admitted, operationName, operationType, rootFields }: Exchange) {
  // pino omits undefined members.
  return {
    requestId,
    subject: admitted?.principal.subject,
    operationName,
    operationType,
    rootFields: operationType === undefined ? undefined : rootFields,
  }
}
