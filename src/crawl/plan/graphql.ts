import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { loadItemList } from '../checkpoint/graphql.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { DEFAULT_STREAM, requireStream } from '../../stream/model.ts'
import { SessionType } from '../session/graphql.ts'
import { CrawlPauseType } from '../pause/graphql.ts'
import type { ResumeMode, ResumePlan } from './model.ts'
import { findPlan } from './store.ts'

export const ResumeModeEnum = builder.enumType('ResumeMode', {
  description: 'How the next crawl reads a list that comes newest first.',
  values: {
    FULL: {
      description:
        'There is no checkpoint, or a full pass has no item yet: crawl from the top, or from the page of `pageToken`, to ' +
        'the end.',
    },
    RESUME: {
      description: 'The checkpoint is incomplete: continue after its position until an anchor is met, or to the end.',
    },
    INCREMENTAL: {
      description: 'The checkpoint is complete: crawl from the top until an anchor is met, or to the end.',
    },
    CATCH_UP: {
      description:
        'What is above the head of an unfinished crawl: crawl from the top, or continue after `afterItemId`, until an ' +
        'item of that head is met. Only startSession with the mode CATCH_UP plans it.',
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
        'top. Null: no item of this crawl was processed yet, or the mode is INCREMENTAL.',
    }),
    pageToken: t.exposeString('pageToken', {
      nullable: true,
      description: "The platform's token of the page to fetch next. Null: none was saved, or the mode is INCREMENTAL.",
    }),
    untilItemIds: t.stringList({
      description:
        'The anchors, newest first: none, or at least two. Stop where three neighbours of the list are neighbours here, ' +
        'in the same order; if there are two anchors, where both are. A single match proves nothing: a pinned item ' +
        'and an item that was bookmarked again stand above what is new. Empty: crawl to the end.',
      resolve: ({ untilListId }, _args, { database }) => loadItemList(database, untilListId),
    }),
    reason: t.exposeString('reason', { description: 'The reason for this plan. Write it to the log of the crawler.' }),
    previousSession: t.field({
      type: SessionType,
      nullable: true,
      description: 'The last session of this user and stream before this plan. Null: there was none.',
      resolve: ({ previousSession }) => previousSession,
    }),
    pause: t.field({
      type: CrawlPauseType,
      nullable: true,
      description: 'The pause of the list. Null: it is not paused.',
      resolve: ({ pause }) => pause,
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
      findPlan(database, caller.userIds, {
        userId: requireIdentifier('userId', userId),
        stream: requireStream('stream', stream ?? DEFAULT_STREAM),
      }),
  }),
)
