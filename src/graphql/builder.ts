import SchemaBuilder from '@pothos/core'
import ErrorsPlugin from '@pothos/plugin-errors'
import PrismaPlugin from '@pothos/plugin-prisma'
import RelayPlugin from '@pothos/plugin-relay'
import ValidationPlugin from '@pothos/plugin-validation'
import { z } from 'zod'
import { Fault } from '../errors/fault.ts'
import type { Context } from './context.ts'
import { getDatamodel } from './generated/pothos-types.ts'
import type PrismaTypes from './generated/pothos-types.ts'
import { decodeNodeId, encodeNodeId } from './node-id.ts'
import { DateTime } from './scalars.ts'
import ScopePlugin from './scope-plugin.ts'

const NODES_AT_ONCE = 100

/** The builder that every type of the API is made with. This file defines no type but the DateTime scalar. */
export const builder = new SchemaBuilder<{
  Context: Context
  PrismaTypes: PrismaTypes
  Scalars: { DateTime: { Input: Date; Output: Date }; ID: { Input: string; Output: string } }
  DefaultFieldNullability: false
  DefaultEdgesNullability: { list: false; items: false }
  Connection: { totalCount: () => Promise<number>; feedCursor?: string }
}>({
  // The errors plugin comes first: it must wrap what the other plugins make of a resolver.
  plugins: [ErrorsPlugin, ScopePlugin, PrismaPlugin, RelayPlugin, ValidationPlugin],
  defaultFieldNullability: false,
  prisma: {
    client: ({ database }) => database.prisma,
    dmmf: getDatamodel(),
    exposeDescriptions: false,
  },
  relay: {
    clientMutationId: 'omit',
    cursorType: 'String',
    edgesFieldOptions: { nullable: { list: false, items: false } },
    nodesOnConnection: true,
    encodeGlobalID: encodeNodeId,
    decodeGlobalID: decodeNodeId,
    nodeQueryOptions: {
      scope: 'read',
      description: 'Any object by its `id`. null: there is no such object (any more).',
    },
    nodesQueryOptions: {
      scope: 'read',
      validate: z.looseObject({
        ids: z.array(z.unknown()).max(NODES_AT_ONCE, `must not be more than ${NODES_AT_ONCE} at once`),
      }),
      description: `Several objects by their ids, at most ${NODES_AT_ONCE}, in the order asked; null where there is none.`,
    },
    nodeTypeOptions: { description: 'What has an `id` of its own.' },
    pageInfoTypeOptions: { description: 'Where a page of a list stands in it.' },
    hasNextPageFieldOptions: {
      description: 'Whether there is more after this page. When paging backward: whether `before` was given.',
    },
    hasPreviousPageFieldOptions: {
      description: 'Whether there is more before this page. When paging forward: whether `after` was given.',
    },
  },
  validation: {
    validationError: ({ issues }) => new Fault('BAD_USER_INPUT', issues.map(describeIssue).join('; ')),
  },
})

function describeIssue({ path, message }: { path?: readonly unknown[] | undefined; message: string }): string {
  const where = (path ?? []).map((part) => String(typeof part === 'object' && part && 'key' in part ? part.key : part))
  return where.length > 0 ? `${where.join('.')}: ${message}` : message
}

builder.addScalarType('DateTime', DateTime)
builder.globalConnectionField('totalCount', (t) =>
  t.int({
    description:
      'How many there are in all, whatever the page. Counted only where it is selected; on large lists that is the dear part.',
    resolve: ({ totalCount }) => totalCount(),
  }),
)
builder.queryType({ description: 'Everything that can be asked. Reads change nothing.' })
builder.mutationType({
  description:
    'Everything that can be changed. What a caller can expect is a member of the result union; ask for `... on UserError { code message }`.',
})
builder.subscriptionType({ description: 'Changes as they happen.' })
