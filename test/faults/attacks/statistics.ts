import { expect } from 'vitest'
import { type Attack, overEachWay } from '../attack.ts'
import { rounds } from '../rounds.ts'

const SESSIONS = rounds(530_000, 20_000)
/** Requests at once, and one after the other. */
const AT_ONCE = rounds(10, 4)
const TURNS = rounds(10, 2)
const statistics = `{ ${Array.from({ length: 20 }, (_, n) => `s${n}: sessionStats { total }`).join(' ')} }`

export const attack: Attack = {
  title: `20 aliased sessionStats over ${SESSIONS} sessions, by ${AT_ONCE} at once`,
  async prepare({ database }) {
    // Without the triggers: nobody follows these sessions.
    await database.query(`SET session_replication_role = replica;
      INSERT INTO public."user" VALUES ('counted');
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
        SELECT 'counted-' || n, 'counted', now() - interval '1 day', now(), 'completed'
        FROM generate_series(1, ${SESSIONS}) n;
      ANALYZE crawler.crawl_session`)
  },
  ways: overEachWay(async (ask, target) => {
    const codes = new Set<unknown>()
    const asking = Array.from({ length: AT_ONCE }, async () => {
      for (let turn = 0; turn < TURNS; turn += 1) {
        const { data, errors = [] } = await ask(target.url, statistics, {}, { authorization: target.insider })
        if (errors.length === 0) expect(data).toMatchObject({ s19: { total: expect.any(Number) as number } })
        for (const { extensions } of errors) codes.add(extensions['code'])
      }
    })
    await Promise.all(asking)
    // The attacker may be told that it is too much; nobody else is.
    expect(['OVERLOADED', 'RATE_LIMITED']).toEqual(expect.arrayContaining([...codes]))
  }),
}
