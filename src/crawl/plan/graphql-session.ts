import { builder } from '../../graphql/builder.ts'
import { ResumeModeEnum } from './graphql.ts'
import { RESUME_MODES } from './model.ts'
import { fromWhole, SessionType } from '../session/graphql.ts'

builder.objectFields(SessionType, (t) => ({
  mode: t.field({
    type: ResumeModeEnum,
    nullable: true,
    description: 'The mode of the plan that it was started with. Null: not started through this API.',
    resolve: fromWhole((session) => RESUME_MODES.find((mode) => mode === session.mode) ?? null),
  }),
  planReason: t.string({
    nullable: true,
    description: 'The reason of the plan that it was started with. Null: not started through this API.',
    resolve: fromWhole((session) => session.planReason),
  }),
  stopReason: t.string({
    nullable: true,
    description: 'The reason that requestStopSessions gave. Null: it was not asked to stop, or without a reason.',
    resolve: fromWhole((session) => session.stopReason),
  }),
}))
