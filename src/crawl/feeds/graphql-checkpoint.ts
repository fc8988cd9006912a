import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { Fault } from '../../errors/fault.ts'
import { builder } from '../../graphql/builder.ts'
import { afterOptions } from '../../graphql/feed-options.ts'
import { checkpointNodeId } from '../checkpoint/graphql-node-id.ts'
import { SessionType } from '../session/graphql.ts'
import type { CHECKPOINT_EVENT_KINDS } from './checkpoint-feed.ts'
import { type CheckpointEvent, watchCheckpoints } from './checkpoint-feed.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { CheckpointFilterInput, toCheckpointFilter } from '../checkpoint/graphql-lists.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import { createSessionLoaders } from '../session/loaders.ts'

const CheckpointEventKindEnum = builder.enumType('CheckpointEventKind', {
  description: 'What happened to a checkpoint. More kinds may come.',
  values: {
    SAVED: { description: 'It changed: by a save, a completion, an import or another program.' },
    CLEARED: { description: 'It was cleared, or another program deleted its row.' },
    ROLLED_BACK: { description: 'It was rolled back. `lastItemId` is null if it was rolled back to a clear.' },
    PAUSED: {
      description:
        'The list was paused. Also for a list without a checkpoint: `lastItemId` is null then, and `bookmarksCount` 0. ' +
        'A change of a pause that stands already is no event, nor is the end of its time.',
    },
    UNPAUSED: { description: 'The pause of the list was ended with unpauseCrawl.' },
  } satisfies Record<(typeof CHECKPOINT_EVENT_KINDS)[number], { description: string }>,
})

const CheckpointEventType = builder.objectRef<CheckpointEvent>('CheckpointEvent').implement({
  description:
    'A new version of a checkpoint, whoever wrote it: this API or another SQL client. Or a pause of its list.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', {
      description: 'The place of this event in the feed. Send it as `after` to continue behind it.',
    }),
    kind: t.field({ type: CheckpointEventKindEnum, description: 'What happened.', resolve: ({ kind }) => kind }),
    occurredAt: t.expose('occurredAt', {
      type: 'DateTime',
      description: 'When it was written, by the clock of the database.',
    }),
    nodeId: t.id({
      description: 'The `id` of the checkpoint, also after a clear.',
      resolve: (event) => checkpointNodeId(event),
    }),
    userId: t.exposeString('userId', { description: 'The natural key of the user.' }),
    stream: t.exposeString('stream', {
      description: STREAM_DESCRIPTION,
    }),
    version: t.exposeInt('version', {
      description:
        'The version that this event made. PAUSED and UNPAUSED make none: the last one, or 0 if there has never been a ' +
        'checkpoint.',
    }),
    lastItemId: t.exposeString('lastItemId', {
      nullable: true,
      description: 'The ID of the last item, as of this event. Null: there was no checkpoint then.',
    }),
    bookmarksCount: t.exposeInt('bookmarksCount', { description: 'The number of bookmarks, as of this event.' }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description:
        'The checkpoint, read when the event is delivered: it may be newer than the event. Null: there is none by now.',
      resolve: ({ userId, stream }, _args, { loaders }) =>
        loaders.of(createCheckpointLoaders).byKey.all.load({ userId, stream }),
    }),
    session: t.field({
      type: SessionType,
      nullable: true,
      description:
        'The session that caused it, read when the event is delivered. Null: none did, or it is deleted by now.',
      resolve: ({ sessionId }, _args, { loaders }) =>
        sessionId === null ? null : loaders.of(createSessionLoaders).byId.load(sessionId),
    }),
  }),
})

builder.subscriptionField('checkpointChanged', (t) =>
  t.field({
    type: CheckpointEventType,
    scope: 'read',
    description:
      'Delivers each new version of a checkpoint, and when its list is paused or unpaused. Events of one list come in ' +
      'the order of their commits.',
    args: {
      filter: t.arg({
        type: CheckpointFilterInput,
        description:
          'Which checkpoints. Default: all. Conditions on times, `running`, `paused` and `complete` are refused ' +
          'with BAD_USER_INPUT.',
      }),
      after: t.arg.string(afterOptions),
    },
    subscribe: (_parent, { filter, after }, { feed, caller, lastEventId }) => {
      const { crawledBefore, crawledAfter, completedBefore, running, paused, complete } = filter ?? {}
      const ofRows = [crawledBefore, crawledAfter, completedBefore, running, paused, complete]
      if (ofRows.some((condition) => condition != null)) {
        throw new Fault(
          'BAD_USER_INPUT',
          'times, running, paused and complete select rows of a list, not events: leave them out.',
        )
      }
      return watchCheckpoints(feed, caller, toCheckpointFilter(filter ?? {}), lastEventId ?? after ?? undefined)
    },
    resolve: (event) => event,
  }),
)
