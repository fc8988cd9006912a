import type { ExecutionResult } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import type { Exchange } from '../exchange/exchange.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Makes of each result what a client may read (mask-error.ts). A stream's events are masked where they are delivered,
 * by useLiveStreams.
 * @param mask also notes the errors' codes in the exchange
 */
export function useMaskedFaults(
  mask: (exchange: Exchange, result: ExecutionResult) => ExecutionResult,
): OperationPlugin {
  return {
    onExecute({ context: { exchange } }) {
      return {
        onExecuteDone({ result, setResult }) {
          if (!isAsyncIterable(result)) setResult(mask(exchange, result))
        },
      }
    },
    onSubscribe({ context: { exchange } }) {
      return {
        onSubscribeResult({ result, setResult }) {
          if (!isAsyncIterable(result)) setResult(mask(exchange, result))
        },
      }
    },
  }
}
