import { InvalidInputError } from '../../errors/domain-error.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { DEFAULT_STREAM, requireStream } from '../../stream/model.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { SessionClosedError, SessionNotFoundError, StaleEpochError } from '../session/model.ts'
import { CrawlPauseType } from './graphql.ts'
import { createPauseLoaders } from './loaders.ts'
import type { Pause } from './model.ts'
import { pauseCrawl, unpauseCrawl } from './service.ts'

builder.objectField(CheckpointType, 'pause', (t) =>
  t.field({
    type: CrawlPauseType,
    nullable: true,
    description: 'The pause of the list. Null: it is not paused now.',
    resolve: ({ userId, stream }, _args, { loaders }) => loaders.of(createPauseLoaders).byKey.load({ userId, stream }),
  }),
)

builder.queryField('crawlPause', (t) =>
  t.field({
    type: CrawlPauseType,
    scope: 'read',
    nullable: true,
    description: 'The pause of a list, with or without a checkpoint. Null: it is not paused now.',
    args: {
      userId: t.arg.string({ required: true, description: 'The natural key of the user.' }),
      stream: t.arg.string({ defaultValue: DEFAULT_STREAM, description: STREAM_DESCRIPTION }),
    },
    resolve: (_parent, { userId, stream }, { loaders }) =>
      loaders.of(createPauseLoaders).byKey.load({
        userId: requireIdentifier('userId', userId),
        stream: requireStream('stream', stream ?? DEFAULT_STREAM),
      }),
  }),
)

const PauseCrawlInputType = builder.inputType('PauseCrawlInput', {
  description: 'A list to pause.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'The user whose list it is. The user must be registered.' }),
    stream: t.string({ defaultValue: DEFAULT_STREAM, description: STREAM_DESCRIPTION }),
    until: t.field({
      type: 'DateTime',
      required: true,
      description:
        'When the pause ends: later than now, at most 400 days ahead. With `sessionId`, a pause that ends later ' +
        'already stays as it is.',
    }),
    reason: t.string({
      description: 'Why, at most 500 characters. Whoever starts a session or reads the plan sees it.',
    }),
    sessionId: t.string({
      description: "A crawler's own live session of this list. Required without the scope operate.",
    }),
  }),
})

const UnpauseCrawlInputType = builder.inputType('UnpauseCrawlInput', {
  description: 'A list whose pause to end.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'The user whose list it is.' }),
    stream: t.string({ defaultValue: DEFAULT_STREAM, description: STREAM_DESCRIPTION }),
  }),
})

const PauseCrawlSuccess = builder.objectRef<{ pause: Pause | undefined }>('PauseCrawlSuccess').implement({
  description: 'The list is paused as `pause` says.',
  fields: (t) => ({
    pause: t.field({
      type: CrawlPauseType,
      nullable: true,
      description: 'The pause that stands now. Null: the list is not paused.',
      resolve: ({ pause }) => pause,
    }),
  }),
})

const PauseCrawlResult = builder.errorUnion('PauseCrawlResult', {
  description: 'The result of pauseCrawl and unpauseCrawl.',
  types: [
    PauseCrawlSuccess,
    InvalidInputError,
    UserNotFoundError,
    SessionNotFoundError,
    SessionClosedError,
    StaleEpochError,
  ],
  resolveType: () => 'PauseCrawlSuccess',
})

builder.mutationField('pauseCrawl', (t) =>
  t.field({
    type: PauseCrawlResult,
    // A crawler may pause the list that its own session crawls.
    scope: ({ input }) => (input.sessionId == null ? 'operate' : ['crawl', 'operate']),
    description:
      'Pauses a list: until then no session starts on it, and dueLists leaves it out. A session that runs goes on. ' +
      'With `sessionId` a pause is only lengthened; without it, it is replaced.',
    args: { input: t.arg({ type: PauseCrawlInputType, required: true, description: 'The list, until when and why.' }) },
    resolve: async (_parent, { input }, { database, clock, caller }) => {
      const pause = await pauseCrawl(database, clock, caller, input)
      return pause instanceof Error ? pause : { pause }
    },
  }),
)

builder.mutationField('unpauseCrawl', (t) =>
  t.field({
    type: PauseCrawlResult,
    scope: 'operate',
    description: 'Ends the pause of a list. For a list that is not paused, nothing changes.',
    args: { input: t.arg({ type: UnpauseCrawlInputType, required: true, description: 'The list.' }) },
    resolve: async (_parent, { input }, { database, caller }) =>
      (await unpauseCrawl(database, caller, input)) ?? { pause: undefined },
  }),
)
