import { isAsyncIterable } from 'graphql-yoga'
import type { RequestObserver } from '../exchange/observer.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Counts a subscription as answered when it is open. The transport counts other operations, when their answer has left.
 */
export function useMetrics(observer: RequestObserver): OperationPlugin {
  return {
    onSubscribe({ context: { exchange } }) {
      return {
        onSubscribeResult({ result }) {
          // The transport counts a subscription whose client left before.
          if (isAsyncIterable(result) && exchange.isStreaming) observer.onAnswered(exchange, 'OK')
        },
      }
    },
  }
}
