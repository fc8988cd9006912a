import { Fault } from '../../errors/fault.ts'
import { builder } from '../../graphql/builder.ts'
import { checkpointNodeId } from '../checkpoint/graphql-node-id.ts'
import { SessionType } from '../session/graphql.ts'
import type { CHECKPOINT_EVENT_KINDS } from './checkpoint-feed.ts'
import { type CheckpointEvent, watchCheckpoints } from './checkpoint-feed.ts'
import { CheckpointFilterInput, CheckpointType, toCheckpointFilter } from '../checkpoint/graphql.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import { createSessionLoaders } from '../session/loaders.ts'

const CheckpointEventKindEnum = builder.enumType('CheckpointEventKind', {
  description: 'What happened to a checkpoint. May grow.',
  values: {
    SAVED: { description: 'By a save, a completion, an import, or a write straight to the table.' },
    CLEARED: { description: 'By a clear, or a deletion straight in the table.' },
    ROLLED_BACK: { description: 'By a rollback; to a clear where lastItemId is null.' },
  } satisfies Record<(typeof CHECKPOINT_EVENT_KINDS)[number], { description: string }>,
})

const CheckpointEventType = builder.objectRef<CheckpointEvent>('CheckpointEvent').implement({
  description: 'A new version of a checkpoint, whoever made it: this API, psql, another program, a cascade.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Opaque; names this event.' }),
    kind: t.field({ type: CheckpointEventKindEnum, resolve: ({ kind }) => kind }),
    occurredAt: t.expose('occurredAt', { type: 'DateTime', description: "By the database's clock." }),
    nodeId: t.id({
      description: "The checkpoint's id, also once it is gone.",
      resolve: (event) => checkpointNodeId(event),
    }),
    userId: t.exposeString('userId'),
    stream: t.exposeString('stream'),
    version: t.exposeInt('version', { description: 'That this event made.' }),
    lastItemId: t.exposeString('lastItemId', {
      nullable: true,
      description: 'As of this event; null where it was cleared.',
    }),
    bookmarksCount: t.exposeInt('bookmarksCount', { description: 'As of this event.' }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: 'Read when the event is delivered; null once cleared.',
      resolve: ({ userId, stream }, _args, { loaders }) =>
        loaders.of(createCheckpointLoaders).byKey.all.load({ userId, stream }),
    }),
    session: t.field({
      type: SessionType,
      nullable: true,
      description: 'That wrote it: live progress. Read when the event is delivered.',
      resolve: ({ sessionId }, _args, { loaders }) =>
        sessionId === null ? null : loaders.of(createSessionLoaders).byId.load(sessionId),
    }),
  }),
})

builder.subscriptionField('checkpointChanged', (t) =>
  t.field({
    type: CheckpointEventType,
    scope: 'read',
    description: 'Each new version of a checkpoint, in the order in which they were made.',
    args: {
      filter: t.arg({ type: CheckpointFilterInput, description: 'Only these; times are BAD_USER_INPUT here.' }),
      after: t.arg.string({
        description: "Goes on after this cursor of an event or a list's feedCursor; null: from now on.",
      }),
    },
    subscribe: (_parent, { filter, after }, { feed, caller, lastEventId }) => {
      if (filter?.crawledBefore != null || filter?.crawledAfter != null) {
        throw new Fault(
          'BAD_USER_INPUT',
          'crawledBefore and crawledAfter select rows of a list, not events: leave them out.',
        )
      }
      return watchCheckpoints(feed, caller, toCheckpointFilter(filter ?? {}), lastEventId ?? after ?? undefined)
    },
    resolve: (event) => event,
  }),
)
