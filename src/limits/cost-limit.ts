import { type DocumentNode, GraphQLError, type GraphQLSchema, type OperationDefinitionNode } from 'graphql'
import { type Cost, costOf, type PageSizes } from './cost.ts'
import { fragmentsOf } from '../graphql/fragments.ts'

/**
 * The most objects that an operation may return. 100 users with 100 sessions each, and their checkpoints, are 20,201;
 * 10,000 saves with checkpoint and session are 30,000.
 */
export const MOST_OBJECTS = 50_000

/** Costs by operation. Documents come from a cache, so the same operation is the same object each time. */
const known = new WeakMap<OperationDefinitionNode, Cost>()

/**
 * How many objects an operation could return.
 * @param variables as sent: they are not coerced yet
 * @param pageSizes the page sizes of lists
 */
export function objectsOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
  pageSizes: PageSizes,
): number {
  let cost = known.get(operation)
  if (!cost || cost.dependsOnVariables) {
    cost = costOf(schema, fragmentsOf(document), operation, variables, pageSizes)
    known.set(operation, cost)
  }
  return cost.objects
}

/** @returns why the operation is too expensive to run; undefined: it is not */
export function findCostExcess(objects: number): GraphQLError | undefined {
  if (objects <= MOST_OBJECTS) return undefined
  return new GraphQLError(
    `This operation could answer ${objects} objects, and ${MOST_OBJECTS} is the most: ask for smaller pages ` +
      '(first, last), for less of each item, or in several operations.',
  )
}
