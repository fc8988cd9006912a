import { OperationTypeNode } from 'graphql'
import type { GraphQLSchema } from 'graphql'
import { requireSmall } from '../variables/declared-variables.ts'
import type { PageSizes } from '../../limits/cost.ts'
import { findCostExcess, objectsOf } from '../../limits/cost-limit.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Prices an operation by the objects that it could return, stores the price in exchange.objects, and refuses an
 * operation that is too expensive.
 */
export function useCost(schema: GraphQLSchema, pageSizes: PageSizes): OperationPlugin {
  return {
    instrumentation: {
      context({ context: { exchange, document, operation, variables } }, buildContext) {
        if (operation.operation === OperationTypeNode.SUBSCRIPTION) requireSmall(variables)
        exchange.objects = objectsOf(schema, document, operation, variables ?? {}, pageSizes)
        const excess = findCostExcess(exchange.objects)
        if (excess) throw excess
        buildContext()
      },
    },
  }
}
