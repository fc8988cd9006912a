import type { ExecutionArgs, ExecutionResult } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import type { Execute } from '../compiled/compiled-execution.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Masks the errors of each result, so that a client reads nothing internal (mask-error.ts). It must be the last plugin:
 * it wraps the execute function that the plugins before it have set. If a plugin sets a result in place of a function
 * (setResultAndStopExecution), that plugin has to mask its own errors. useLiveStreams masks the events of a stream.
 * @param mask returns the masked result, and stores the error codes in the exchange
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
