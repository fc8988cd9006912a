import { type DocumentNode, GraphQLError, type GraphQLSchema, type OperationDefinitionNode } from 'graphql'
import { type Cost, costOf, type PageSizes } from './cost.ts'
import { fragmentsOf } from '../graphql/fragments.ts'

/** 100 users with 100 sessions each, and their checkpoints, are 20,201; 10,000 saves with checkpoint and session 30,000. */
export const MOST_OBJECTS = 50_000

/** By operation, of documents that come from a cache: a crawler sends one over and over. */
const known = new WeakMap<OperationDefinitionNode, Cost>()

/** How many objects an operation could answer. @param variables as sent: judged before they are coerced */
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

/** @returns why an operation is too dear to run; undefined: it isn't */
export function findCostExcess(objects: number): GraphQLError | undefined {
  if (objects <= MOST_OBJECTS) return undefined
  return new GraphQLError(
    `This operation could answer ${objects} objects, and ${MOST_OBJECTS} is the most: ask for smaller pages ` +
      '(first, last), for less of each item, or in several operations.',
  )
}
