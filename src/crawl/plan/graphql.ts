import { loadItemList } from '../checkpoint/graphql.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { DEFAULT_STREAM, requireStream } from '../../stream/model.ts'
import { SessionType } from '../session/graphql.ts'
import type { ResumeMode, ResumePlan } from './model.ts'
import { resumePlan } from './service.ts'

const ResumeModeEnum = builder.enumType('ResumeMode', {
  description: 'How the next crawl goes about a list that comes newest first.',
  values: {
    FULL: { description: 'No checkpoint: crawl from the top to the end.' },
    RESUME: { description: 'It is incomplete: carry on after its position until an anchor is met, or the end.' },
    INCREMENTAL: { description: 'It is complete: crawl from the top until an anchor is met.' },
  } satisfies Record<ResumeMode, { description: string }>,
})

export const ResumePlanType = builder.objectRef<ResumePlan>('ResumePlan').implement({
  description: 'What the next crawl has to do, and why.',
  fields: (t) => ({
    mode: t.field({ type: ResumeModeEnum, resolve: ({ mode }) => mode }),
    afterItemId: t.exposeString('afterItemId', {
      nullable: true,
      description: 'RESUME: the last item processed. Not met (unbookmarked): nothing may be skipped, start at the top.',
    }),
    pageToken: t.exposeString('pageToken', {
      nullable: true,
      description: "RESUME: the platform's page token to hand back, if one was saved.",
    }),
    untilItemIds: t.stringList({
      description:
        'The anchors; empty: to the end. One is met where two neighbours of the list are neighbours here in the same order (one, where this holds one): an old item bookmarked anew comes to the top alone and is none.',
      resolve: ({ anchorListId }, _args, { database }) => loadItemList(database, anchorListId),
    }),
    reason: t.exposeString('reason', { description: 'In words, for whoever reads the log.' }),
    previousSession: t.field({ type: SessionType, nullable: true, resolve: ({ previousSession }) => previousSession }),
  }),
})

builder.queryField('resumePlan', (t) =>
  t.field({
    type: ResumePlanType,
    scope: 'read',
    nullable: true,
    description: 'What the next crawl of a stream has to do, without starting it. null: no such user.',
    args: { userId: t.arg.string({ required: true }), stream: t.arg.string({ defaultValue: DEFAULT_STREAM }) },
    resolve: (_parent, { userId, stream }, { database, caller }) =>
      resumePlan(database, caller, {
        userId: requireIdentifier('userId', userId),
        stream: requireStream('stream', stream ?? DEFAULT_STREAM),
      }),
  }),
)
