import { type ExecutionArgs, type ExecutionResult, GraphQLError } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import type { Exchange } from '../exchange/exchange.ts'
import type { CallerStreams } from '../../limits/caller-streams.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Counts each subscription against its caller's limit, and tracks it so that shutdown can end it. A subscription ends
 * when its client leaves. It ends with a reason when its credentials become invalid.
 * @param present makes the event that the client may read
 */
export function useLiveStreams(
  callers: CallerStreams,
  present: (exchange: Exchange, event: ExecutionResult) => ExecutionResult,
): OperationPlugin {
  function keep(exchange: Exchange, source: AsyncIterable<ExecutionResult>, leave: () => void) {
    const { streams, departure, admitted } = exchange
    const stream = streams.track(source, (event) => present(exchange, event), departure.signal)
    if (stream.over.aborted) leave()
    else stream.over.addEventListener('abort', leave, { once: true })
    admitted?.watch(stream.over, (fault) => {
      const error = new GraphQLError(fault.message, { originalError: fault })
      stream.endWith(present(exchange, { data: null, errors: [error] }))
    })
    return stream
  }

  return {
    onSubscribe({ context: { exchange }, subscribeFn, setSubscribeFn }) {
      setSubscribeFn(async (args: ExecutionArgs) => {
        // Counted before its source exists.
        const leave = await callers.enter(exchange.admitted?.principal.subject ?? '')
        try {
          const result = (await subscribeFn(args)) as ExecutionResult | AsyncIterable<ExecutionResult>
          if (isAsyncIterable(result)) return keep(exchange, result, leave)
          leave()
          return result
        } catch (error) {
          leave()
          throw error
        }
      })
    },
  }
}
