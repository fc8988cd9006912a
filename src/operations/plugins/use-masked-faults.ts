import type { ExecutionArgs, ExecutionResult } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import type { Execute } from '../compiled/compiled-execution.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Makes of each result what a client may read (mask-error.ts). A stream's events are masked where they are delivered,
 * by useLiveStreams. It is the last plugin of the list, because it masks what the function returns that the others set.
 * A plugin that sets a result and no function (setResultAndStopExecution) masks its errors itself.
 * @param mask also notes the errors' codes in the exchange
 */
export function useMaskedFaults(
  mask: (exchange: Exchange, result: ExecutionResult) => ExecutionResult,
): OperationPlugin {
  return {
    // Not onExecuteDone: envelop calls it through some 10 more objects.
    onExecute({ context: { exchange }, executeFn, setExecuteFn }) {
      setExecuteFn((args: ExecutionArgs) => {
        const result = (executeFn as Execute)(args)
        return result instanceof Promise ? result.then((settled) => mask(exchange, settled)) : mask(exchange, result)
      })
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
