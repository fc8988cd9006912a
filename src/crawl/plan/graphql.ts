import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { loadItemList } from '../checkpoint/graphql.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { DEFAULT_STREAM, requireStream } from '../../stream/model.ts'
import { SessionType } from '../session/graphql.ts'
import type { ResumeMode, ResumePlan } from './model.ts'
import { resumePlan } from './service.ts'

const ResumeModeEnum = builder.enumType('ResumeMode', {
  description: 'How the next crawl reads a list that comes newest first.',
  values: {
    FULL: { description: 'There is no checkpoint: crawl from the top to the end.' },
    RESUME: {
      description: 'The checkpoint is incomplete: continue after its position until an anchor is met, or to the end.',
    },
    INCREMENTAL: {
      description: 'The checkpoint is complete: crawl from the top until an anchor is met, or to the end.',
    },
  } satisfies Record<ResumeMode, { description: string }>,
})

export const ResumePlanType = builder.objectRef<ResumePlan>('ResumePlan').implement({
  description: 'The plan of a crawl: where it begins, where it may stop, and why.',
  fields: (t) => ({
    mode: t.field({ type: ResumeModeEnum, description: 'How to read the list.', resolve: ({ mode }) => mode }),
    afterItemId: t.exposeString('afterItemId', {
      nullable: true,
      description:
        'The last item that was processed. If the list does not contain it any more, skip nothing and start at the ' +
        'top. Null: the mode is not RESUME.',
    }),
    pageToken: t.exposeString('pageToken', {
      nullable: true,
      description: "The platform's token of the page to fetch next. Null: the mode is not RESUME, or none was saved.",
    }),
    untilItemIds: t.stringList({
      description:
        'The anchors, newest first. Stop where two neighbours of the list are neighbours here, in the same order; if ' +
        'there is only one anchor, stop at it. A single match proves nothing: an old item that is bookmarked again ' +
        'comes to the top. Empty: crawl to the end.',
      resolve: ({ anchorListId }, _args, { database }) => loadItemList(database, anchorListId),
    }),
    reason: t.exposeString('reason', { description: 'The reason for this plan. Write it to the log of the crawler.' }),
    previousSession: t.field({
      type: SessionType,
      nullable: true,
      description: 'The last session of this user and stream before this plan. Null: there was none.',
      resolve: ({ previousSession }) => previousSession,
    }),
  }),
})

builder.queryField('resumePlan', (t) =>
  t.field({
    type: ResumePlanType,
    scope: 'read',
    nullable: true,
    description: 'The plan of the next crawl of a user and stream. Starts nothing. Null: the user does not exist.',
    args: {
      userId: t.arg.string({ required: true, description: 'The natural key of the user.' }),
      stream: t.arg.string({
        defaultValue: DEFAULT_STREAM,
        description: STREAM_DESCRIPTION,
      }),
    },
    resolve: (_parent, { userId, stream }, { database, caller }) =>
      resumePlan(database, caller, {
        userId: requireIdentifier('userId', userId),
        stream: requireStream('stream', stream ?? DEFAULT_STREAM),
      }),
  }),
)
