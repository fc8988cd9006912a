import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { queryFromInfo } from '@pothos/plugin-prisma'
import { keysetArguments, pageOf } from '../../database/keyset.ts'
import { reachWhere } from '../../database/reach.ts'
import { builder } from '../../graphql/builder.ts'
import { parseRevisionNodeKey, revisionNodeKey } from '../checkpoint/graphql-node-id.ts'
import { NODE_PATHS, pageArgumentsSchema, toConnection, toKeysetPage } from '../../graphql/paging.ts'
import { SessionType } from '../session/graphql.ts'
import { StreamBusyError } from '../session/model.ts'
import { DEFAULT_STREAM, requireStream } from '../../stream/model.ts'
import { CatchUpType, CheckpointType, loadItemList } from '../checkpoint/graphql.ts'
import { countRevisions } from './store.ts'
import { catchUpOf, CheckpointNotFoundError, HistoryExpiredError, VersionConflictError } from '../checkpoint/model.ts'
import { rollbackCheckpoint, type RolledBackCheckpoint } from './rollback.ts'

const SOURCES = ['SAVE', 'CLEAR', 'COMPLETE', 'ROLLBACK', 'IMPORT', 'EXTERNAL', 'MOVE', 'RESTART'] as const

const RevisionSourceEnum = builder.enumType('RevisionSource', {
  description: 'What changed a checkpoint.',
  values: {
    SAVE: { description: 'A save: saveCheckpoint or saveCheckpoints.' },
    CLEAR: { description: 'A clear: clearCheckpoint.' },
    COMPLETE: { description: 'The end of a crawl: the head became the anchors.' },
    ROLLBACK: { description: 'A rollback: rollbackCheckpoint.' },
    IMPORT: { description: 'An import: importCheckpoints, or saveCheckpoints with `import`.' },
    EXTERNAL: { description: 'Another program, which wrote to the table.' },
    MOVE: {
      description: "A move: moveCheckpoint. The old user's history ends with it; the new user's goes on with it.",
    },
    RESTART: { description: 'The begin of a full pass: startSession with the mode FULL.' },
  } satisfies Record<(typeof SOURCES)[number], { description: string }>,
})

export const RevisionType = builder.prismaNode('CheckpointRevision', {
  description: 'One version of a checkpoint in its history, and who wrote it.',
  id: {
    resolve: revisionNodeKey,
    description: 'An opaque global ID. The natural key is `userId` with `stream` and `version`.',
  },
  findUnique: (id, { caller }) => ({ userId_stream_version: parseRevisionNodeKey(id), ...reachWhere(caller.userIds) }),
  nullable: true,
  fields: (t) => ({
    userId: t.exposeString('userId', { description: 'The natural key of the user.' }),
    stream: t.exposeString('stream', {
      description: STREAM_DESCRIPTION,
    }),
    version: t.exposeInt('version', {
      description:
        'The number of the version: 1, 2, 3 and so on for each user and stream. Only a move to another user may skip ' +
        'numbers.',
    }),
    source: t.field({
      type: RevisionSourceEnum,
      description: 'What made this version.',
      resolve: ({ source }) => SOURCES.find((known) => known === source) ?? 'EXTERNAL',
    }),
    actor: t.exposeString('actor', {
      nullable: true,
      description: 'The `subject` of the caller that wrote it. Null: another program (EXTERNAL).',
    }),
    lastItemId: t.exposeString('lastItemId', {
      nullable: true,
      description: 'The ID of the last item in this version. Null: it was cleared.',
    }),
    bookmarksCount: t.exposeInt('bookmarksCount', { description: 'The number of bookmarks in this version.' }),
    pageToken: t.exposeString('pageToken', {
      nullable: true,
      description: "The platform's token of the next page in this version. Null: there is none.",
    }),
    headItemIds: t.stringList({
      description: 'The head in this version: the newest items when its crawl began, newest first.',
      resolve: ({ headListId }, _args, { database }) => loadItemList(database, headListId),
    }),
    anchorItemIds: t.stringList({
      description: 'The anchors in this version: the head of the last crawl that had completed, newest first.',
      resolve: ({ anchorListId }, _args, { database }) => loadItemList(database, anchorListId),
    }),
    complete: t.exposeBoolean('complete', { description: 'Whether the crawl was complete in this version.' }),
    fullPass: t.exposeBoolean('fullPass', { description: 'Whether a full pass was unfinished in this version.' }),
    fullPassHasItem: t.exposeBoolean('fullPassHasItem', {
      description: 'Whether the full pass had saved an item in this version.',
    }),
    catchUp: t.field({
      type: CatchUpType,
      nullable: true,
      description: 'The unfinished catch-up in this version. Null: there was none.',
      resolve: (revision) => catchUpOf(revision),
    }),
    session: t.relation('session', {
      type: SessionType,
      nullable: true,
      description: 'The session that wrote it. Null: none wrote it, or it was pruned.',
      query: (_args, { caller }) => ({ where: reachWhere(caller.userIds) }),
      // For revisions that Prisma has not read: those that a rollback returns.
      resolve: (query, { sessionId }, _args, { caller, database }) =>
        sessionId === null
          ? null
          : database.prisma.crawlSession.findUnique({ ...query, where: { sessionId, ...reachWhere(caller.userIds) } }),
    }),
    epoch: t.exposeInt('epoch', {
      description: 'The epoch of the session that wrote it. 0: written without a session.',
    }),
    recordedAt: t.expose('recordedAt', {
      type: 'DateTime',
      description: 'When it was written, by the clock of the database.',
    }),
  }),
})

export const RevisionConnection = builder.connectionObject(
  { type: RevisionType, name: 'CheckpointRevisionConnection', description: 'A page of a history.' },
  { name: 'CheckpointRevisionEdge', description: 'A revision in a page, with its cursor.' },
)

builder.queryField('checkpointHistory', (t) =>
  t.connection(
    {
      type: RevisionType,
      scope: 'read',
      description:
        'The versions of a checkpoint, newest first, also after a clear. The server prunes those that are older than ' +
        'its retention.',
      args: {
        userId: t.arg.string({ required: true, description: 'The natural key of the user.' }),
        stream: t.arg.string({
          defaultValue: DEFAULT_STREAM,
          description: STREAM_DESCRIPTION,
        }),
      },
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, context, info) => {
        const { checkpointRevision } = context.database.prisma
        const key = {
          userId: requireIdentifier('userId', args.userId),
          stream: requireStream('stream', args.stream ?? DEFAULT_STREAM),
        }
        const reached = reachWhere(context.caller.userIds)
        const page = toKeysetPage('history', ['version'], args)
        const { where, ...paged } = keysetArguments('version', 'DESC', page, Number)
        const query = queryFromInfo({ context, info, paths: NODE_PATHS })
        const rows = await checkpointRevision.findMany({ ...query, ...paged, where: { ...key, ...reached, ...where } })
        const revisions = pageOf(rows, page, (node) => ({ node, position: [String(node.version)] }))
        return toConnection('history', page, revisions, () =>
          countRevisions(context.database, context.caller.userIds, key),
        )
      },
    },
    RevisionConnection,
  ),
)

const RollbackCheckpointInputType = builder.inputType('RollbackCheckpointInput', {
  description: 'The checkpoint to roll back, and to which version: exactly one of `toVersion` and `toTime`.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'The natural key of the user.' }),
    stream: t.string({
      required: true,
      description: STREAM_DESCRIPTION,
    }),
    toVersion: t.int({
      description:
        'The version to restore. The current one changes nothing; a higher one is INVALID_INPUT, and so is one that a ' +
        'move skipped.',
    }),
    toTime: t.field({
      type: 'DateTime',
      description:
        'Restores the version that was current at this time. A time before the first version is INVALID_INPUT.',
    }),
    dryRun: t.boolean({ defaultValue: false, description: 'True: tell what would happen, and write nothing.' }),
    expectedVersion: t.int({
      description:
        'The version that the checkpoint must have; another one is VERSION_CONFLICT. 0: there must be no checkpoint.',
    }),
  }),
})

const RollbackCheckpointSuccess = builder.objectRef<RolledBackCheckpoint>('RollbackCheckpointSuccess').implement({
  description: 'The checkpoint is restored, as a new version. The history keeps all versions in between.',
  fields: (t) => ({
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: 'The checkpoint as it is now; in a dry run, as it would be. Null: the restored version is a clear.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
    target: t.field({
      type: RevisionType,
      scope: 'read',
      description: 'The version that was restored.',
      resolve: ({ target }) => target,
    }),
    revision: t.field({
      type: RevisionType,
      nullable: true,
      description: 'The new version. Null: a dry run, or nothing changed.',
      resolve: ({ revision }) => revision,
    }),
  }),
})

const RollbackCheckpointResult = builder.errorUnion('RollbackCheckpointResult', {
  description: 'The result of rollbackCheckpoint.',
  types: [
    RollbackCheckpointSuccess,
    InvalidInputError,
    CheckpointNotFoundError,
    StreamBusyError,
    VersionConflictError,
    HistoryExpiredError,
  ],
  resolveType: () => 'RollbackCheckpointSuccess',
})

builder.mutationField('rollbackCheckpoint', (t) =>
  t.field({
    type: RollbackCheckpointResult,
    scope: 'operate',
    description:
      'Restores an earlier version of a checkpoint, with its token, head, anchors and count, whoever wrote since. It ' +
      'becomes a new version. Refused while a live session owns the stream.',
    args: {
      input: t.arg({
        type: RollbackCheckpointInputType,
        required: true,
        description: 'The checkpoint and the version to restore.',
      }),
    },
    resolve: (_parent, { input }, { database, caller }) => rollbackCheckpoint(database, caller, input),
  }),
)
