import type { OperationInfo } from '../exchange/exchange.ts'
import type { CallerRates } from '../../limits/caller-rates.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Makes the resolvers' context.
 * @param create called once for each operation
 * @param rates charges callers for scans
 */
export function useApiContext(create: (operation: OperationInfo) => object, rates: CallerRates): OperationPlugin {
  const charge = (subject: string, points: number) => {
    rates.charge(subject, points)
  }
  return {
    instrumentation: {
      context({ context }, buildContext) {
        const { requestId, admitted, operationType, lastEventId } = context.exchange
        if (!admitted) throw new Error('nobody was admitted')
        const isStream = operationType === 'subscription'
        context.api = create({ requestId, principal: admitted.principal, isStream, lastEventId, charge })
        buildContext()
      },
    },
  }
}
