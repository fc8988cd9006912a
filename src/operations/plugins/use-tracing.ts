import { isAsyncIterable } from 'graphql-yoga'
import type { RequestTracer } from '../exchange/request-tracer.ts'
import type { OperationPlugin } from './operation-context.ts'

/** Traces the execution of each operation; of a subscription, until it is open. */
export function useTracing(tracer: RequestTracer): OperationPlugin {
  return {
    instrumentation: {
      execute: ({ context: { exchange } }, run) => tracer.operation(exchange, async () => run()),
      subscribe: ({ context: { exchange } }, run) => tracer.operation(exchange, async () => run()),
    },
    onSubscribe({ context: { exchange } }) {
      return {
        onSubscribeResult({ result }) {
          // A trace is sent when it ends, and a stream may be open for days.
          if (isAsyncIterable(result)) exchange.trace?.end(200)
        },
      }
    },
  }
}
