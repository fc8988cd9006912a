import type { Database } from '../../database/database.ts'
import { reachWhere } from '../../database/reach.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import type { Context } from '../../graphql/context.ts'
import { checkpointNodeKey, parseCheckpointNodeKey } from './graphql-node-id.ts'
import { platformOptions, STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { DEFAULT_STREAM, platformOf, requireStream } from '../../stream/model.ts'
import { userOptions, UserType } from '../../user/graphql.ts'
import { checkpointReadingOf } from './graphql-reading.ts'
import { type CatchUp, catchUpOf, type Checkpoint, type CheckpointState, type LiteralCheckpoint } from './model.ts'
import { createCheckpointLoaders } from './loaders.ts'

/**
 * Resolves a field from the state of a checkpoint. If only the columns of crawl_checkpoint were read, because no other
 * field seemed to be selected (graphql-reading.ts), the state is read by its key.
 * @param answer gets null if there is no state, or no checkpoint any more
 */
export function fromState<Answer>(
  answer: (state: CheckpointState | null, context: Context) => Answer | Promise<Answer>,
) {
  return (checkpoint: LiteralCheckpoint | Checkpoint, _args: unknown, context: Context): Answer | Promise<Answer> => {
    if ('state' in checkpoint) return answer(checkpoint.state, context)
    const reading = context.loaders.of(createCheckpointLoaders).byKey.all.load(checkpoint)
    return reading.then((whole) => answer(whole?.state ?? null, context))
  }
}

/** The catch-up of a state or a revision. */
export const CatchUpType = builder.objectRef<CatchUp>('CatchUp').implement({
  description: 'The crawl of what came on top of a list beside a long unfinished crawl.',
  fields: (t) => ({
    lastItemId: t.exposeString('lastItemId', {
      nullable: true,
      description: 'The last item that it processed. Null: none yet.',
    }),
    pageToken: t.exposeString('pageToken', {
      nullable: true,
      description: "The platform's token of its next page. Null: there is none.",
    }),
    headItemIds: t.stringList({
      description: 'The newest items of the list when it began. They become the head of the unfinished crawl.',
      resolve: ({ headListId }, _args, { database }) => loadItemList(database, headListId),
    }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When its session saved first.' }),
  }),
})

/** Its resolvers get the columns of crawl_checkpoint. Fields of the state use fromState. */
export const CheckpointType = builder.prismaNode<'Checkpoint'>('Checkpoint', {
  description:
    'The position of a crawl: how far the crawls of one user and stream have got. There is at most one for each user ' +
    'and stream.',
  id: { resolve: checkpointNodeKey, description: 'An opaque global ID. The natural key is `userId` with `stream`.' },
  findUnique: (id, { caller }) => ({ userId_stream: parseCheckpointNodeKey(id), ...reachWhere(caller.userIds) }),
  nullable: true,
  include: {
    state: {
      select: {
        version: true,
        epoch: true,
        writtenEpoch: true,
        ownerSessionId: true,
        pageToken: true,
        headListId: true,
        anchorListId: true,
        complete: true,
        fullPass: true,
        fullPassHasItem: true,
        lastCompletedAt: true,
        catchUpStartedAt: true,
        catchUpItemId: true,
        catchUpPageToken: true,
        catchUpHeadListId: true,
      },
    },
  },
  fields: (t) => ({
    user: t.field(userOptions),
    userId: t.exposeString('userId', { description: 'The natural key of the user.' }),
    stream: t.exposeString('stream', {
      description: STREAM_DESCRIPTION,
    }),
    platform: t.field(platformOptions),
    lastItemId: t.exposeString('lastItemId', {
      description: 'The ID of the last item that was processed. Always a string: tweet IDs exceed 2^53.',
    }),
    lastTweetId: t.string({
      nullable: true,
      description: 'The same ID on TWITTER. Null: another platform.',
      resolve: ({ stream, lastItemId }) => (platformOf(stream).name === 'TWITTER' ? lastItemId : null),
    }),
    lastCrawledAt: t.expose('lastCrawledAt', {
      type: 'DateTime',
      description:
        'When the list was last crawled: `crawledAt` of the last save, or when a session completed since, which also ' +
        'counts if nothing was new.',
    }),
    bookmarksCount: t.exposeInt('bookmarksCount', {
      description: 'The number of bookmarks processed so far, repeats included.',
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'When the checkpoint was created, by the clock of the database.',
    }),
    version: t.int({
      description:
        'The number of the version: 1, 2, 3 and so on for each user and stream, also after a clear. A change of ' +
        'item, count, token, head, anchors or `complete` raises it.',
      resolve: fromState((state) => state?.version ?? 0),
    }),
    epoch: t.int({
      description: 'The epoch of the session that wrote the checkpoint last. 0: written without a session.',
      resolve: fromState((state) => state?.writtenEpoch ?? 0),
    }),
    pageToken: t.string({
      nullable: true,
      description: "The platform's token of the next page, as the last save sent it. Null: there is none.",
      resolve: fromState((state) => state?.pageToken ?? null),
    }),
    headItemIds: t.stringList({
      description:
        'The newest items of the list when the unfinished crawl began, newest first, at most 50. Empty: none were ' +
        'sent, or the crawl is complete.',
      resolve: fromState((state, { database }) => loadItemList(database, state?.headListId)),
    }),
    anchorItemIds: t.stringList({
      description:
        'The head of the last crawl that completed, newest first. An incremental crawl may stop where three of them ' +
        'follow each other. Empty: there is none.',
      resolve: fromState((state, { database }) => loadItemList(database, state?.anchorListId)),
    }),
    complete: t.boolean({
      description: 'Whether the crawl that wrote the checkpoint reached its end.',
      resolve: fromState((state) => state?.complete ?? false),
    }),
    fullPass: t.boolean({
      description: 'Whether a full pass, which startSession began with the mode FULL, is unfinished.',
      resolve: fromState((state) => state?.fullPass ?? false),
    }),
    fullPassHasItem: t.boolean({
      description:
        'Whether the full pass has saved an item. Until then, `lastItemId` and `anchorItemIds` are those of the crawl ' +
        'before it.',
      resolve: fromState((state) => state?.fullPassHasItem ?? false),
    }),
    lastCompletedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When a session that was no catch-up last completed here, also if it found nothing new. Null: never, or not ' +
        'since the last clear.',
      resolve: fromState((state) => state?.lastCompletedAt ?? null),
    }),
    catchUp: t.field({
      type: CatchUpType,
      nullable: true,
      description: 'The unfinished crawl of what is above the head of this one. Null: there is none.',
      resolve: fromState(catchUpOf),
    }),
    lastItemPublishedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the last item was published, read from its ID (Snowflake, TID or URN). Null: the ID contains no time.',
      resolve: ({ stream, lastItemId }) => platformOf(stream).itemIds.publishedAt(lastItemId),
    }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the row last changed, by the clock of the database.',
    }),
  }),
})

/**
 * The items of a head or of anchors; empty if there is no list. No reach is checked: the list's ID comes from a row
 * within reach, never from a caller.
 */
export async function loadItemList({ prisma }: Database, listId: bigint | null | undefined): Promise<string[]> {
  if (listId == null) return []
  return (await prisma.itemList.findUnique({ where: { listId } }))?.itemIds ?? []
}

builder.objectField(UserType, 'checkpoint', (t) =>
  t.field({
    type: CheckpointType,
    nullable: true,
    scope: 'read',
    description: 'The checkpoint of this user and a stream. Null: none is saved, so crawl from the top.',
    args: {
      stream: t.arg.string({
        defaultValue: DEFAULT_STREAM,
        description: STREAM_DESCRIPTION,
      }),
    },
    resolve: ({ userId }, args, { loaders }, info) =>
      loaders.of(createCheckpointLoaders).byKey[checkpointReadingOf(info)].load({
        userId,
        stream: requireStream('stream', args.stream ?? DEFAULT_STREAM),
      }),
  }),
)

builder.prismaObjectField(UserType, 'checkpoints', (t) =>
  t.relation('checkpoints', {
    scope: 'read',
    description: 'All checkpoints of the user, in the order of the stream names.',
    query: (_args, { caller }) => ({ where: reachWhere(caller.userIds), orderBy: { stream: 'asc' } }),
    // For users that Prisma has not read.
    resolve: async (query, { userId }, _args, { database }) => {
      const user = await database.prisma.user.findUnique({ where: { userId }, select: { checkpoints: query } })
      return user?.checkpoints ?? []
    },
  }),
)

builder.queryField('checkpoint', (t) =>
  t.field({
    type: CheckpointType,
    nullable: true,
    scope: 'read',
    description:
      'The checkpoint of a user and stream: where the next crawl resumes. Null: none is saved, so crawl from the top.',
    args: {
      userId: t.arg.string({ required: true, description: 'The natural key of the user.' }),
      stream: t.arg.string({
        defaultValue: DEFAULT_STREAM,
        description: STREAM_DESCRIPTION,
      }),
    },
    resolve: (_parent, { userId, stream }, { loaders }, info) =>
      loaders.of(createCheckpointLoaders).byKey[checkpointReadingOf(info)].load({
        userId: requireIdentifier('userId', userId),
        stream: requireStream('stream', stream ?? DEFAULT_STREAM),
      }),
  }),
)
