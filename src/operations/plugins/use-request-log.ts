import type { Logger } from 'pino'
import { isAsyncIterable } from 'graphql-yoga'
import { logSubscriptionStart, noteOperation } from '../exchange/request-log.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Notes in the exchange what is asked, for the line that the request gets in the end, and writes a stream's first
 * line.
 */
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
