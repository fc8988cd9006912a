import { Fault } from '../../errors/fault.ts'
import { builder } from '../../graphql/builder.ts'
import { encodeNodeId } from '../../graphql/node-id.ts'
import type { SESSION_EVENT_KINDS } from './session-feed.ts'
import { type SessionStatusEvent, watchSessions } from './session-feed.ts'
import { SessionStatusEnum, SessionType } from '../session/graphql.ts'
import { SessionFilterInput, toSessionFilter } from '../session/graphql-lists.ts'
import { createSessionLoaders } from '../session/loaders.ts'

const SessionEventKindEnum = builder.enumType('SessionEventKind', {
  description: 'What happened to a session. May grow.',
  values: {
    STARTED: { description: 'It is there now.' },
    STATUS_CHANGED: { description: 'It has another status.' },
    DELETED: { description: 'It is gone.' },
    STOP_REQUESTED: { description: 'Somebody asked it to stop; its status is unchanged.' },
  } satisfies Record<(typeof SESSION_EVENT_KINDS)[number], { description: string }>,
})

const SessionStatusEventType = builder.objectRef<SessionStatusEvent>('SessionStatusEvent').implement({
  description: 'A change of a session, whoever made it: this API, psql, another program, a cascade.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Opaque; names this event.' }),
    kind: t.field({ type: SessionEventKindEnum, resolve: ({ kind }) => kind }),
    occurredAt: t.expose('occurredAt', { type: 'DateTime', description: "By the database's clock." }),
    nodeId: t.id({
      description: "The session's id, also once it is gone.",
      resolve: ({ sessionId }) => encodeNodeId('CrawlSession', sessionId),
    }),
    sessionId: t.exposeString('sessionId'),
    userId: t.exposeString('userId'),
    stream: t.exposeString('stream'),
    previousStatus: t.field({
      type: SessionStatusEnum,
      nullable: true,
      description: 'null on STARTED.',
      resolve: ({ previousStatus }) => previousStatus,
    }),
    status: t.field({
      type: SessionStatusEnum,
      description: 'As of this event; on DELETED the last one.',
      resolve: ({ status }) => status,
    }),
    session: t.field({
      type: SessionType,
      nullable: true,
      description: 'Read when the event is delivered; null once deleted.',
      resolve: ({ sessionId }, _args, { loaders }) => loaders.of(createSessionLoaders).byId.load(sessionId),
    }),
  }),
})

builder.subscriptionField('sessionStatusChanged', (t) =>
  t.field({
    type: SessionStatusEventType,
    scope: 'read',
    description:
      'Each session that starts, changes its status or is deleted, from now on, in the order in which it happened to it.',
    args: {
      filter: t.arg({
        type: SessionFilterInput,
        description:
          'Only these. status matches the new or the previous status, so that a session is seen leaving; times are BAD_USER_INPUT here.',
      }),
      after: t.arg.string({
        description: "Goes on after this cursor of an event or a list's feedCursor; null: from now on.",
      }),
    },
    subscribe: (_parent, { filter, after }, { feed, caller, lastEventId }) => {
      const { startedBefore, startedAfter, completedBefore, completedAfter, stalled } = filter ?? {}
      if (
        [startedBefore, startedAfter, completedBefore, completedAfter, stalled].some((condition) => condition != null)
      ) {
        throw new Fault('BAD_USER_INPUT', 'times and stalled select rows of a list, not events: leave them out.')
      }
      return watchSessions(feed, caller, toSessionFilter(filter ?? {}), lastEventId ?? after ?? undefined)
    },
    resolve: (event) => event,
  }),
)
