import { isAsyncIterable } from 'graphql-yoga'
import type { RequestObserver } from '../exchange/observer.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Counts a subscription as answered once it is open. What else is answered is counted by its transport, when it has
 * left.
 */
export function useMetrics(observer: RequestObserver): OperationPlugin {
  return {
    onSubscribe({ context: { exchange } }) {
      return {
        onSubscribeResult({ result }) {
          // Not of a client that had left before: its transport counts it.
          if (isAsyncIterable(result) && exchange.isStreaming) observer.onAnswered(exchange, 'OK')
        },
      }
    },
  }
}
