import { builder } from '../../graphql/builder.ts'
import type { Pause } from './model.ts'

export const CrawlPauseType = builder.objectRef<Pause>('CrawlPause').implement({
  description: 'A pause of one list: no session starts on it until then.',
  fields: (t) => ({
    until: t.expose('until', { type: 'DateTime', description: 'When the pause ends.' }),
    reason: t.exposeString('reason', { nullable: true, description: 'The reason that was given. Null: none.' }),
    pausedBy: t.exposeString('pausedBy', { description: 'The subject who paused the list.' }),
  }),
})
