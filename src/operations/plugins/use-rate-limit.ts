import type { CallerRates } from '../../limits/caller-rates.ts'
import type { OperationPlugin } from './operation-context.ts'

/** Takes the price that useCost found from the caller's points. @throws Fault RATE_LIMITED */
export function useRateLimit(rates: CallerRates): OperationPlugin {
  return {
    onContextBuilding: ({ context: { exchange } }) =>
      rates.spend(exchange.admitted?.principal.subject ?? '', exchange.objects),
  }
}
