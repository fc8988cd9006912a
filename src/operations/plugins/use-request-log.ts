import type { Logger } from 'pino'
import { isAsyncIterable } from 'graphql-yoga'
import { logSubscriptionStart, noteOperation } from '../exchange/request-log.ts'
import type { OperationPlugin } from './operation-context.ts'

/** Stores what the operation selects in the exchange, for the request's log line. Logs the start of a stream. */
export function useRequestLog(log: Logger): OperationPlugin {
  return {
    instrumentation: {
      context({ context: { exchange, document, operation } }, buildContext) {
        noteOperation(exchange, document, operation)
        buildContext()
      },
    },
    onSubscribe({ context: { exchange } }) {
      return {
        onSubscribeResult({ result }) {
          if (isAsyncIterable(result)) logSubscriptionStart(log, exchange)
        },
      }
    },
  }
}
