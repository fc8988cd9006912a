import { builder } from '../../graphql/builder.ts'
import { userError } from '../../graphql/errors.ts'
import { shownLeaseEnd } from '../../database/lease-time.ts'
import { SessionType } from './graphql.ts'
import {
  SessionClosedError,
  SessionExistsError,
  SessionNotFoundError,
  StaleEpochError,
  StreamBusyError,
} from './model.ts'

builder.objectType(SessionClosedError, {
  ...userError({
    name: 'SessionClosedError',
    code: 'SESSION_CLOSED',
    meaning: 'The session has ended.',
    description: 'The session has ended. Start a new one: it continues from the checkpoint.',
  }),
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session that has ended.',
      resolve: ({ session }) => session,
    }),
  }),
})

builder.objectType(StreamBusyError, {
  ...userError({
    name: 'StreamBusyError',
    code: 'STREAM_BUSY',
    meaning: 'A live session owns the stream of this user.',
    description:
      'A live session owns the stream of this user. Wait until `retryAt`, ask it to stop, or start with `takeover`.',
  }),
  fields: (t) => ({
    owner: t.field({
      type: SessionType,
      description: 'The session that owns the stream.',
      resolve: ({ owner }) => owner,
    }),
    retryAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: "When the owner's lease expires unless the owner renews it. Null: not known.",
      resolve: ({ owner }, _args, { clock }) => shownLeaseEnd(clock, owner),
    }),
  }),
})

builder.objectType(SessionNotFoundError, {
  ...userError({
    name: 'SessionNotFoundError',
    code: 'SESSION_NOT_FOUND',
    meaning: 'There is no such session of this user and stream.',
    description: 'There is no such session of this user and stream. Check the three, or call startSession.',
  }),
})

builder.objectType(StaleEpochError, {
  ...userError({
    name: 'StaleEpochError',
    code: 'STALE_EPOCH',
    meaning: 'Another session has taken the stream.',
    description: 'Another session has taken the stream. Stop crawling; what was saved before stands.',
  }),
  fields: (t) => ({
    currentEpoch: t.exposeInt('currentEpoch', { description: 'The epoch that the stream has now.' }),
  }),
})

builder.objectType(SessionExistsError, {
  ...userError({
    name: 'SessionExistsError',
    code: 'SESSION_EXISTS',
    meaning: 'A session with this ID already exists.',
    description: 'A session with this ID already exists. Use it if it is yours and runs, or leave `sessionId` out.',
  }),
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session that has this ID.',
      resolve: ({ session }) => session,
    }),
  }),
})
