import type { Database } from '../../database/database.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { CheckpointKey } from '../checkpoint/model.ts'
import type { ResumePlan } from './model.ts'
import { planFromJson, type PlanJson } from './row.ts'

/** What the next crawl of a user's stream has to do; undefined: there is no such user within reach. */
export async function findPlan(
  database: Database,
  reach: Reach,
  { userId, stream }: CheckpointKey,
): Promise<ResumePlan | undefined> {
  const [row] = await database.query<{ plan: PlanJson }>({
    name: 'plan_crawl',
    text: `SELECT to_jsonb(p) AS plan FROM public."user" u CROSS JOIN LATERAL crawler.plan_crawl(u.id, $2, 'AUTO', NULL) AS p
      WHERE u.id = $1 AND ($3::text[] IS NULL OR u.id = ANY ($3))`,
    values: [userId, stream, reachArray(reach)],
  })
  return row && planFromJson(row.plan)
}
