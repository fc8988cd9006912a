import type { ExecutionArgs, GraphQLSchema } from 'graphql'
import type { Admitted } from '../exchange/admission.ts'
import type { CallerRates } from '../../limits/caller-rates.ts'
import { EventPace } from '../streams/event-pace.ts'
import { EventPayments } from '../streams/event-payments.ts'
import { createSharedSubscribe } from '../streams/shared-results.ts'
import { VariableRules } from '../variables/variable-rules.ts'
import type { OperationPlugin, UnderstoodOperation } from './operation-context.ts'

/**
 * Executes an event once for all subscribers that select the same fields of it and may see the same users
 * (docs/adr/0011-shared-results.md).
 * @param rates charges callers for events
 */
export function useSharedSubscriptions(schema: GraphQLSchema, rates: CallerRates): OperationPlugin {
  const payments = rates.isFree ? undefined : new EventPayments(rates)
  const subscribe = createSharedSubscribe({ pace: new EventPace(), payments })
  const rules = new VariableRules(schema)
  async function run(args: ExecutionArgs) {
    const refused = rules.refuseLarge(args)
    if (refused) return refused
    const { exchange, api } = args.contextValue as UnderstoodOperation
    const { admitted, objects } = exchange
    const subscriber = { subject: admitted?.principal.subject ?? '', objects: Math.max(objects, 1) }
    const result = await subscribe({ ...args, contextValue: api }, nameReach(admitted), subscriber)
    return rules.inOurWords(result, args)
  }
  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(run)
    },
  }
}

/** Callers of equal reach may share results. */
function nameReach(admitted: Admitted | undefined): string {
  const reach = admitted?.principal.userIds ?? new Set()
  return reach === 'all' ? reach : JSON.stringify([...reach].sort())
}
