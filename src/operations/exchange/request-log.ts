import type { DocumentNode, OperationDefinitionNode } from 'graphql'
import type { Logger } from 'pino'
import type { Exchange } from './exchange.ts'
import { rootFieldNames } from './root-field-names.ts'

const longestName = 100

/** Makes a client's text fit for a log line: name characters only, at most 100 of them. */
export function safeName(name: unknown): string | undefined {
  return typeof name === 'string' && name !== '' ? name.slice(0, longestName).replaceAll(/\W/g, '?') : undefined
}

/** Notes what a valid operation asks for. Field names are the schema's, not the client's: aliases are left out. */
export function noteOperation(exchange: Exchange, document: DocumentNode, operation: OperationDefinitionNode): void {
  exchange.operationName = safeName(operation.name?.value)
  exchange.operationType = operation.operation
  exchange.rootFields = rootFieldNames(document, operation)
}

/** Writes a subscription's first line; its second is the one that every request gets when its answer is over. */
export function logSubscriptionStart(log: Logger, exchange: Exchange): void {
  if (exchange.departure.hasLeft) return
  exchange.isStreaming = true
  log.info(operationOf(exchange), 'subscription started')
}

/** How an exchange ended. */
export interface Ending {
  /** Of HTTP; an operation over a WebSocket has neither. */
  readonly method?: string | undefined
  readonly status?: number
  /** Whether the client got all of it, as opposed to having left before. */
  readonly isComplete: boolean
}

/**
 * One line for each request, whichever way it came: what was asked, how long it took, how it went. No variables, no document, no header.
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
  // A subscription usually ends by its reader leaving: that is no failure.
  const outcome = !isComplete && !isStreaming ? 'client left' : errorCodes.size > 0 ? [...errorCodes].join(' ') : 'ok'
  // One literal, and pino leaves out what is undefined: spreads cost a read 5 % of its processor time.
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
  // pino leaves out what is undefined.
  return {
    requestId,
    subject: admitted?.principal.subject,
    operationName,
    operationType,
    rootFields: operationType === undefined ? undefined : rootFields,
  }
}
