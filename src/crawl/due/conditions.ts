import { Prisma } from '../../database/generated/client.ts'

/** When a list was last completed. The same expression as in the indexes of crawl_state. */
const COMPLETED_AT = Prisma.sql`coalesce(st.last_completed_at, '-infinity'::timestamptz)`

/**
 * Joins to public."user" AS u and its crawl_state AS st: the session that owns the list, if it lives, as o; and the
 * pause of the list, if it lasts, as p.
 */
export function ownerAndPause(stream: string): Prisma.Sql {
  return Prisma.sql`
    LEFT JOIN crawler.crawl_session o ON o.session_id = st.owner_session_id AND o.user_id = st.user_id AND o.stream = st.stream
      AND crawler.is_alive(o.status, o.epoch, o.lease_expires_at, o.lease_seconds, o.heartbeat_at)
    LEFT JOIN crawler.crawl_pause p ON p.user_id = u.id AND p.stream = ${stream} AND p.until > (SELECT crawler.clock())`
}

/** Whether the list is due. Also true for a list without a state: it never was anything. */
export function isDue(completedBefore: Date): Prisma.Sql {
  return Prisma.sql`${COMPLETED_AT} < ${completedBefore} AND o.session_id IS NULL AND p.user_id IS NULL`
}

/** The condition of the index crawl_state_stream_unfinished. */
export const isUnfinished = Prisma.sql`${COMPLETED_AT} < st.last_started_at`
