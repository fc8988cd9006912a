import type { Database } from '../../database/database.ts'
import { reachWhere } from '../../database/reach.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import type { Context } from '../../graphql/context.ts'
import { userError } from '../../graphql/errors.ts'
import { checkpointNodeKey, parseCheckpointNodeKey } from './graphql-node-id.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../../graphql/paging.ts'
import { PlatformEnum, platformOfEnum } from '../../stream/graphql.ts'
import { DEFAULT_STREAM, platformOf, requireStream } from '../../stream/model.ts'
import { UserType } from '../../user/graphql.ts'
import { checkpointReadingOf } from './graphql-reading.ts'
import {
  type Checkpoint,
  CheckpointNotFoundError,
  type CheckpointState,
  HistoryExpiredError,
  type LiteralCheckpoint,
  OrderViolationError,
  VersionConflictError,
} from './model.ts'
import { type CheckpointFilter, countCheckpoints, listCheckpoints } from './store.ts'
import { createCheckpointLoaders } from './loaders.ts'

/**
 * Resolves a field from what a checkpoint knows beyond its own columns. Where these alone were read, because nothing
 * else seemed to be selected (graphql-reading.ts), the state is read by its key.
 * @param answer gets null where there is no state, or no checkpoint any more
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

/** Its resolvers get the columns of crawl_checkpoint; what else there is comes by fromState. */
export const CheckpointType = builder.prismaNode<'Checkpoint'>('Checkpoint', {
  description: 'How far the crawls of a (user, stream) have got. One per (user, stream).',
  id: { resolve: checkpointNodeKey, description: 'Opaque and global; the natural key is (userId, stream).' },
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
      },
    },
  },
  fields: (t) => ({
    user: t.field({
      type: UserType,
      description: 'Whose list it is.',
      // The foreign key promises that there is one, and its ID is all there is to know: no statement.
      resolve: ({ userId }) => ({ userId }),
    }),
    userId: t.exposeString('userId', { description: "The user's natural key." }),
    stream: t.exposeString('stream', { description: '"<platform>/<list>", e.g. twitter/bookmarks, reddit/saved.' }),
    platform: t.field({
      type: PlatformEnum,
      description: 'Read from the stream.',
      resolve: ({ stream }) => platformOf(stream).name,
    }),
    lastItemId: t.exposeString('lastItemId', {
      description: 'The last item processed, as the platform names it. Always a string: tweet IDs exceed 2^53.',
    }),
    lastTweetId: t.string({
      nullable: true,
      description: 'The same value where platform is TWITTER, else null.',
      resolve: ({ stream, lastItemId }) => (platformOf(stream).name === 'TWITTER' ? lastItemId : null),
    }),
    lastCrawledAt: t.expose('lastCrawledAt', { type: 'DateTime', description: 'When the last save was made.' }),
    bookmarksCount: t.exposeInt('bookmarksCount', { description: 'Bookmarks processed so far, repeats included.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the first save was made.' }),
    version: t.int({
      description:
        '1, 2, 3 ... per (user, stream); survives a clear. Raised when item, count, token, head, anchors or completeness change.',
      resolve: fromState((state) => state?.version ?? 0),
    }),
    epoch: t.int({
      description: 'Of the session that wrote it last; 0: written without one.',
      resolve: fromState((state) => state?.writtenEpoch ?? 0),
    }),
    pageToken: t.string({
      nullable: true,
      description: "The platform's own, as the last save gave it.",
      resolve: fromState((state) => state?.pageToken ?? null),
    }),
    headItemIds: t.stringList({
      description: 'The newest items when the crawl that is not complete yet began, newest first.',
      resolve: fromState((state, { database }) => loadItemList(database, state?.headListId)),
    }),
    anchorItemIds: t.stringList({
      description: 'The head of the last crawl that completed: where an incremental crawl may stop.',
      resolve: fromState((state, { database }) => loadItemList(database, state?.anchorListId)),
    }),
    complete: t.boolean({
      description: 'The crawl that wrote it has completed.',
      resolve: fromState((state) => state?.complete ?? false),
    }),
    lastItemPublishedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Read from the item ID where the platform encodes it (Snowflake, TID, URN).',
      resolve: ({ stream, lastItemId }) => platformOf(stream).itemIds.publishedAt(lastItemId),
    }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the row last changed; kept by the database.',
    }),
  }),
})

builder.objectType(CheckpointNotFoundError, {
  ...userError({
    name: 'CheckpointNotFoundError',
    code: 'CHECKPOINT_NOT_FOUND',
    meaning: 'There is no such checkpoint.',
    description: 'There has never been one.',
  }),
})

builder.objectType(VersionConflictError, {
  ...userError({
    name: 'VersionConflictError',
    code: 'VERSION_CONFLICT',
    meaning: 'The checkpoint is at another version than expected.',
    description: 'The checkpoint is at another version than expected: read it again.',
  }),
  fields: (t) => ({ currentVersion: t.exposeInt('currentVersion', { description: '0: there is no checkpoint.' }) }),
})

builder.objectType(OrderViolationError, {
  ...userError({
    name: 'OrderViolationError',
    code: 'ORDER_VIOLATION',
    meaning: 'The stream asks for growing item IDs, and this one is lower.',
    description: 'The stream is ASCENDING and is further already.',
  }),
  fields: (t) => ({ lastItemId: t.exposeString('lastItemId', { description: 'Where it is.' }) }),
})

builder.objectType(HistoryExpiredError, {
  ...userError({
    name: 'HistoryExpiredError',
    code: 'HISTORY_EXPIRED',
    meaning: 'That revision is past the retention of the history.',
    description: 'That revision was pruned.',
  }),
  fields: (t) => ({ oldestVersion: t.exposeInt('oldestVersion', { description: 'The oldest that is kept.' }) }),
})

/**
 * The items of a head or of anchors; none where there is no list. No caller names one: its ID comes from a row within
 * reach.
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
    description: "The user's checkpoint of a stream. null: none saved.",
    args: { stream: t.arg.string({ defaultValue: DEFAULT_STREAM }) },
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
    description: "All of the user's checkpoints, by stream.",
    query: (_args, { caller }) => ({ where: reachWhere(caller.userIds), orderBy: { stream: 'asc' } }),
    // Of users that Prisma has not read.
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
    description: 'The checkpoint of a user and stream: where the next run resumes. null: none saved.',
    args: { userId: t.arg.string({ required: true }), stream: t.arg.string({ defaultValue: DEFAULT_STREAM }) },
    resolve: (_parent, { userId, stream }, { loaders }, info) =>
      loaders.of(createCheckpointLoaders).byKey[checkpointReadingOf(info)].load({
        userId: requireIdentifier('userId', userId),
        stream: requireStream('stream', stream ?? DEFAULT_STREAM),
      }),
  }),
)

export const CheckpointFilterInput = builder.inputType('CheckpointFilter', {
  description: 'Which checkpoints; all that is given must hold.',
  fields: (t) => ({
    userId: t.string({ description: 'Of this user.' }),
    stream: t.string({ description: 'Of this stream.' }),
    platform: t.field({ type: PlatformEnum, description: 'Of any stream of this platform.' }),
    crawledBefore: t.field({ type: 'DateTime', description: 'lastCrawledAt earlier than this.' }),
    crawledAfter: t.field({ type: 'DateTime', description: 'lastCrawledAt later than this.' }),
  }),
})

const CheckpointOrderEnum = builder.enumType('CheckpointOrder', {
  description: 'The order of a list of checkpoints; equal times are ordered by user and stream.',
  values: {
    LAST_CRAWLED_AT_DESC: { value: 'DESC', description: 'The latest crawled first.' },
    LAST_CRAWLED_AT_ASC: { value: 'ASC', description: 'The longest not crawled first.' },
  } as const,
})

const CheckpointConnection = builder.connectionObject(
  {
    type: CheckpointType,
    name: 'CheckpointConnection',
    description: 'A page of checkpoints.',
    fields: (t) => ({
      feedCursor: t.string({
        description:
          'Hand the first page\u2019s to `after` of the subscription: it goes on exactly where this list was read. Read no later than the list itself.',
        resolve: ({ feedCursor }) => feedCursor ?? '',
      }),
    }),
  },
  { name: 'CheckpointEdge', description: 'A checkpoint in a page.' },
)

builder.queryField('checkpoints', (t) =>
  t.connection(
    {
      type: CheckpointType,
      scope: 'read',
      description:
        'Checkpoints of all users. One that is saved while the list is paged moves in it, and may be missed or met twice.',
      args: {
        filter: t.arg({ type: CheckpointFilterInput }),
        orderBy: t.arg({ type: CheckpointOrderEnum, defaultValue: 'DESC' }),
      },
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, { caller, database, feed }, info) => {
        const feedCursor = feed.cursor(feed.position())
        const direction = args.orderBy ?? 'DESC'
        const filter = toCheckpointFilter(args.filter ?? {})
        const list = `checkpoints ${direction}`
        const page = toKeysetPage(list, ['time', 'text', 'text'], args)
        const rows = await listCheckpoints(database, caller.userIds, filter, direction, page, checkpointReadingOf(info))
        return toConnection(list, page, rows, () => countCheckpoints(database, caller.userIds, filter), { feedCursor })
      },
    },
    CheckpointConnection,
  ),
)

/** @throws Fault BAD_USER_INPUT where a name in it is malformed */
export function toCheckpointFilter(input: typeof CheckpointFilterInput.$inferInput): CheckpointFilter {
  return {
    userId: input.userId == null ? undefined : requireIdentifier('filter.userId', input.userId),
    stream: input.stream == null ? undefined : requireStream('filter.stream', input.stream),
    platform: input.platform == null ? undefined : platformOfEnum(input.platform),
    crawledBefore: input.crawledBefore ?? undefined,
    crawledAfter: input.crawledAfter ?? undefined,
  }
}
