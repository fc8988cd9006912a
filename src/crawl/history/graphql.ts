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
import { CheckpointType, loadItemList } from '../checkpoint/graphql.ts'
import { countRevisions } from './store.ts'
import { CheckpointNotFoundError, HistoryExpiredError, VersionConflictError } from '../checkpoint/model.ts'
import { rollbackCheckpoint, type RolledBackCheckpoint } from './rollback.ts'

const SOURCES = ['SAVE', 'CLEAR', 'COMPLETE', 'ROLLBACK', 'IMPORT', 'EXTERNAL'] as const

const RevisionSourceEnum = builder.enumType('RevisionSource', {
  description: 'What changed a checkpoint.',
  values: {
    SAVE: { description: 'saveCheckpoint or saveCheckpoints.' },
    CLEAR: { description: 'clearCheckpoint.' },
    COMPLETE: { description: 'A session completed: the head became the anchors.' },
    ROLLBACK: { description: 'rollbackCheckpoint.' },
    IMPORT: { description: 'saveCheckpoints with import.' },
    EXTERNAL: { description: 'Written straight to the table, not through this API.' },
  } satisfies Record<(typeof SOURCES)[number], { description: string }>,
})

const RevisionType = builder.prismaNode('CheckpointRevision', {
  description: 'One change of a checkpoint, by anybody: how it stood from then on.',
  id: { resolve: revisionNodeKey, description: 'Opaque and global; the natural key is (userId, stream, version).' },
  findUnique: (id, { caller }) => ({ userId_stream_version: parseRevisionNodeKey(id), ...reachWhere(caller.userIds) }),
  nullable: true,
  fields: (t) => ({
    userId: t.exposeString('userId'),
    stream: t.exposeString('stream'),
    version: t.exposeInt('version', { description: '1, 2, 3 ... per (user, stream), without a gap.' }),
    source: t.field({
      type: RevisionSourceEnum,
      description: 'What changed it.',
      resolve: ({ source }) => SOURCES.find((known) => known === source) ?? 'EXTERNAL',
    }),
    actor: t.exposeString('actor', { nullable: true, description: 'Who called; null: EXTERNAL.' }),
    lastItemId: t.exposeString('lastItemId', { nullable: true, description: 'null where it was cleared.' }),
    bookmarksCount: t.exposeInt('bookmarksCount'),
    pageToken: t.exposeString('pageToken', { nullable: true }),
    headItemIds: t.stringList({ resolve: ({ headListId }, _args, { database }) => loadItemList(database, headListId) }),
    anchorItemIds: t.stringList({
      resolve: ({ anchorListId }, _args, { database }) => loadItemList(database, anchorListId),
    }),
    complete: t.exposeBoolean('complete'),
    session: t.relation('session', {
      type: SessionType,
      nullable: true,
      description: 'That wrote it; null where none did, or it was pruned.',
      query: (_args, { caller }) => ({ where: reachWhere(caller.userIds) }),
      // Of revisions that Prisma has not read: a rollback's.
      resolve: (query, { sessionId }, _args, { caller, database }) =>
        sessionId === null
          ? null
          : database.prisma.crawlSession.findUnique({ ...query, where: { sessionId, ...reachWhere(caller.userIds) } }),
    }),
    epoch: t.exposeInt('epoch', { description: '0 where no session wrote it.' }),
    recordedAt: t.expose('recordedAt', { type: 'DateTime', description: "By the database's clock." }),
  }),
})

const RevisionConnection = builder.connectionObject(
  { type: RevisionType, name: 'CheckpointRevisionConnection', description: 'A page of a history.' },
  { name: 'CheckpointRevisionEdge', description: 'A revision in a page.' },
)

builder.queryField('checkpointHistory', (t) =>
  t.connection(
    {
      type: RevisionType,
      scope: 'read',
      description:
        'Every change of a checkpoint, the newest first; also where it has been cleared. Kept as long as the settings say.',
      args: { userId: t.arg.string({ required: true }), stream: t.arg.string({ defaultValue: DEFAULT_STREAM }) },
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
  description: 'Where to roll back to: exactly one of toVersion and toTime.',
  fields: (t) => ({
    userId: t.string({ required: true }),
    stream: t.string({ required: true }),
    toVersion: t.int({ description: 'Above the current one is INVALID_INPUT; the current one changes nothing.' }),
    toTime: t.field({
      type: 'DateTime',
      description: 'To the revision that was current then; before the first is INVALID_INPUT.',
    }),
    dryRun: t.boolean({ defaultValue: false, description: 'true: say what would be, and write nothing.' }),
    expectedVersion: t.int({ description: 'Compare-and-set; 0 means: there must be no checkpoint.' }),
  }),
})

const RollbackCheckpointSuccess = builder.objectRef<RolledBackCheckpoint>('RollbackCheckpointSuccess').implement({
  description: 'The checkpoint is what it was; nothing of the history was rewritten.',
  fields: (t) => ({
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: 'As it is now (dryRun: as it would be); null: rolled back to a clear.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
    target: t.field({
      type: RevisionType,
      scope: 'read',
      description: 'What it was rolled back to.',
      resolve: ({ target }) => target,
    }),
    revision: t.field({
      type: RevisionType,
      nullable: true,
      description: 'The new version that the rollback made; null in a dry run, and where nothing changed.',
      resolve: ({ revision }) => revision,
    }),
  }),
})

const RollbackCheckpointResult = builder.errorUnion('RollbackCheckpointResult', {
  description: 'What became of rollbackCheckpoint.',
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
      'Makes a checkpoint what it was at a version or a time, with token, head, anchors and count, over everybody’s writes. Appends a version.',
    args: { input: t.arg({ type: RollbackCheckpointInputType, required: true }) },
    resolve: (_parent, { input }, { database, caller }) => rollbackCheckpoint(database, caller, input),
  }),
)
