import { z } from 'zod'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { builder } from '../../graphql/builder.ts'
import { identifierSchema, nameSchema } from '../../identity/identifier.ts'
import { streamNameSchema } from '../../stream/model.ts'
import { SessionFilterInput, toSessionFilter } from '../session/graphql-lists.ts'
import { requestStopSessions, type StopRequests } from './stop-sessions.ts'

const RequestStopSessionsInputType = builder.inputType('RequestStopSessionsInput', {
  description: 'Which running sessions to ask to stop.',
  fields: (t) => ({
    filter: t.field({
      type: SessionFilterInput,
      required: true,
      description: 'Conditions on the sessions. Without any condition it is INVALID_INPUT, unless `all` is true.',
    }),
    all: t.boolean({ defaultValue: false, description: 'True: the filter may have no condition.' }),
    expectedMatched: t.int({
      description:
        'How many running sessions the filter must match, as a dry run said. Another number is INVALID_INPUT, and no ' +
        'session is asked.',
    }),
    reason: t.string({
      description: 'Why, at most 500 characters. It becomes `stopReason` of the sessions that are asked now.',
    }),
    dryRun: t.boolean({ defaultValue: false, description: 'True: count the sessions and ask none.' }),
  }),
})

const RequestStopSessionsSuccess = builder.objectRef<StopRequests>('RequestStopSessionsSuccess').implement({
  description: 'The sessions are asked to stop. Their next saves and heartbeats return `stopRequested`.',
  fields: (t) => ({
    matched: t.exposeInt('matched', {
      description: 'The number of running sessions that the filter matches, also those that were asked before.',
    }),
    requested: t.exposeInt('requested', {
      description: 'The number of sessions that were asked now. 0 in a dry run.',
    }),
  }),
})

const RequestStopSessionsResult = builder.errorUnion('RequestStopSessionsResult', {
  description: 'The result of requestStopSessions.',
  types: [RequestStopSessionsSuccess, InvalidInputError],
  resolveType: () => 'RequestStopSessionsSuccess',
})

/** The conditions of a filter that can be malformed. */
const namesSchema = z.object({
  userId: identifierSchema.nullish(),
  stream: streamNameSchema.nullish(),
  worker: nameSchema.nullish(),
})

builder.mutationField('requestStopSessions', (t) =>
  t.field({
    type: RequestStopSessionsResult,
    scope: 'operate',
    description:
      'Asks all running sessions that match to stop, e.g. before a deployment. Each finishes its page, saves and ends ' +
      'as STOPPED. Asking again changes nothing.',
    args: {
      input: t.arg({
        type: RequestStopSessionsInputType,
        required: true,
        description: 'The sessions, and the reason.',
      }),
    },
    resolve: (_parent, { input }, { database, caller }) => {
      const issues = issuesOf(namesSchema.safeParse(input.filter), ['input', 'filter'])
      if (issues.length > 0) return new InvalidInputError(issues)
      return requestStopSessions(database, caller, {
        filter: toSessionFilter(input.filter),
        all: input.all ?? false,
        expectedMatched: input.expectedMatched ?? undefined,
        reason: input.reason ?? undefined,
        dryRun: input.dryRun ?? false,
      })
    },
  }),
)
