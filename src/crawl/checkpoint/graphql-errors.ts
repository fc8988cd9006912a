import { builder } from '../../graphql/builder.ts'
import { userError } from '../../graphql/errors.ts'
import { CheckpointType } from './graphql.ts'
import {
  CheckpointExistsError,
  CheckpointNotFoundError,
  HistoryExpiredError,
  OrderViolationError,
  VersionConflictError,
} from './model.ts'

builder.objectType(CheckpointNotFoundError, {
  ...userError({
    name: 'CheckpointNotFoundError',
    code: 'CHECKPOINT_NOT_FOUND',
    meaning: 'There is no such checkpoint.',
    description:
      'There is nothing to roll back to, since the user and stream have never had a checkpoint; or nothing to move, ' +
      'since there is none now.',
  }),
})

builder.objectType(VersionConflictError, {
  ...userError({
    name: 'VersionConflictError',
    code: 'VERSION_CONFLICT',
    meaning: 'The checkpoint has another version than expected.',
    description: 'The checkpoint has another version than `expectedVersion`. Read it again, then decide.',
  }),
  fields: (t) => ({
    currentVersion: t.exposeInt('currentVersion', {
      description: 'The version that the checkpoint has. 0: there is no checkpoint.',
    }),
  }),
})

builder.objectType(OrderViolationError, {
  ...userError({
    name: 'OrderViolationError',
    code: 'ORDER_VIOLATION',
    meaning: 'The stream is ASCENDING, and the item ID is below the stored one.',
    description: 'The stream is ASCENDING, and the item is below the stored one. Continue after `lastItemId`.',
  }),
  fields: (t) => ({ lastItemId: t.exposeString('lastItemId', { description: 'The ID of the stored item.' }) }),
})

builder.objectType(HistoryExpiredError, {
  ...userError({
    name: 'HistoryExpiredError',
    code: 'HISTORY_EXPIRED',
    meaning: 'The history does not hold that revision any more.',
    description: 'The history does not hold that revision any more. Choose `oldestVersion` or a later one.',
  }),
  fields: (t) => ({
    oldestVersion: t.exposeInt('oldestVersion', { description: 'The oldest version that the history holds.' }),
  }),
})

builder.objectType(CheckpointExistsError, {
  ...userError({
    name: 'CheckpointExistsError',
    code: 'CHECKPOINT_EXISTS',
    meaning: 'The user has a checkpoint on the stream already.',
    description:
      'The new user has a checkpoint on the stream already, so nothing was moved. Keep it, or clear it first.',
  }),
  fields: (t) => ({
    checkpoint: t.field({
      type: CheckpointType,
      description: 'The checkpoint of the new user.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
  }),
})
