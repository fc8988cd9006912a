import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { seededRandom, type SeededRandom } from '../../support/crawl-random.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'

const USERS = ['ann', 'bob', 'cem', 'dee', 'eve', 'fay']
/** Of the second the order is watched. */
const STREAMS = ['twitter/bookmarks', 'twitter/likes'] as const
const SETS = 150
const MOST = 2_147_483_647

/** A save as crawl/save/store.ts sends it. */
interface Command {
  readonly place: number
  readonly user_id: string
  readonly stream: string
  readonly [more: string]: unknown
}

/**
 * Of each checkpoint: none, one to be moved, one that is complete, one near the greatest count, one of a full pass, one
 * beside a catch-up; with an owner, an old owner, or none.
 */
const PREPARE = `
  CREATE TABLE public.moment (now timestamptz);
  INSERT INTO public.moment VALUES ('2026-01-01 00:00:00+00');
  CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT now FROM public.moment';
  INSERT INTO public."user" SELECT unnest('{${USERS.join(',')}}'::text[]);
  INSERT INTO crawler.stream_setting VALUES ('${STREAMS[1]}', 'ascending');
  INSERT INTO crawler.crawl_session (session_id, user_id, stream, status, started_at, completed_at, epoch, lease_seconds, lease_expires_at, mode)
    SELECT concat_ws('-', u, s, kind), u, s, CASE kind WHEN 'ended' THEN 'completed' ELSE 'running' END, '2025-12-31', CASE kind WHEN 'ended' THEN '2025-12-31'::timestamptz END,
      CASE kind WHEN 'early' THEN 1 WHEN 'foreign' THEN 0 ELSE 2 END, CASE kind WHEN 'foreign' THEN NULL ELSE 60 END,
      CASE kind WHEN 'foreign' THEN NULL ELSE '2026-01-01 00:30:00+00'::timestamptz END,
      CASE WHEN kind = 'owner' THEN CASE u WHEN 'bob' THEN 'CATCH_UP' ELSE 'RESUME' END END
    FROM unnest('{${USERS.join(',')}}'::text[]) u, unnest('{${STREAMS.join(',')}}'::text[]) s, unnest('{owner,early,ended,foreign}'::text[]) kind;
  INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count)
    SELECT u, s, '100', '2025-12-31', CASE u WHEN 'dee' THEN ${MOST} - 10 ELSE 7 END
    FROM unnest('{ann,bob,cem,dee}'::text[]) u, unnest('{${STREAMS.join(',')}}'::text[]) s;
  INSERT INTO crawler.crawl_state (user_id, stream, epoch, owner_session_id)
    SELECT u, s, 2, concat_ws('-', u, s, 'owner') FROM unnest('{ann,eve}'::text[]) u, unnest('{${STREAMS.join(',')}}'::text[]) s
    ON CONFLICT (user_id, stream) DO UPDATE SET epoch = excluded.epoch, owner_session_id = excluded.owner_session_id;
  UPDATE crawler.crawl_state SET full_pass = true WHERE user_id = 'cem';
  UPDATE crawler.crawl_state SET last_started_at = '2025-12-30', last_completed_at = '2025-12-29';
  INSERT INTO crawler.crawl_pause (user_id, stream, until, paused_by) VALUES ('ann', '${STREAMS[0]}', '2026-01-02', 'operator')`

/** All columns that saves may write, whoever wrote first: lists by what is in them, events without their numbers. */
const WRITTEN = [
  `SELECT user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count FROM crawler.crawl_checkpoint ORDER BY user_id, stream`,
  `SELECT to_jsonb(s) - '{head_list_id,anchor_list_id,catch_up_head_list_id}'::text[] AS state, h.item_ids AS head, a.item_ids AS anchors,
    c.item_ids AS catch_up_head FROM crawler.crawl_state s LEFT JOIN crawler.item_list c ON c.list_id = catch_up_head_list_id
    LEFT JOIN crawler.item_list h ON h.list_id = head_list_id LEFT JOIN crawler.item_list a ON a.list_id = anchor_list_id ORDER BY s.user_id, stream`,
  `SELECT to_jsonb(r) - '{head_list_id,anchor_list_id,catch_up_head_list_id}'::text[] AS revision, h.item_ids AS head, a.item_ids AS anchors,
    c.item_ids AS catch_up_head FROM crawler.checkpoint_revision r LEFT JOIN crawler.item_list c ON c.list_id = catch_up_head_list_id
    LEFT JOIN crawler.item_list h ON h.list_id = head_list_id LEFT JOIN crawler.item_list a ON a.list_id = anchor_list_id ORDER BY r.user_id, stream, version`,
  `SELECT to_jsonb(p) AS pause FROM crawler.crawl_pause p ORDER BY user_id, stream`,
  `SELECT to_jsonb(e) - 'event_id' AS event FROM crawler.feed_event e ORDER BY user_id, stream, version, event_id`,
  `SELECT to_jsonb(s) AS session FROM crawler.crawl_session s ORDER BY session_id`,
  `SELECT to_jsonb(i) - 'key_id' AS key FROM crawler.idempotency_key i ORDER BY user_id, stream, key, recorded_at`,
]

function makeCommand(random: SeededRandom, place: number): Command {
  const pick = <Item>(items: readonly [Item, ...Item[]]): Item => items[random.below(items.length)] ?? items[0]
  const chance = (share: number) => random.below(1_000) < share * 1_000
  const user_id = pick(['nobody', ...USERS])
  const stream = pick(STREAMS)
  const item = 95 + random.below(36)
  const sessionKind = pick([
    'none',
    'none',
    'none',
    'owner',
    'owner',
    'owner',
    'owner',
    'early',
    'ended',
    'foreign',
    'unknown',
    'others',
  ])
  const maybe = <Value>(share: number, value: Value) => (chance(share) ? value : undefined)
  const importing = maybe(0.1, true)
  // A page without items: the API sends such a save with a session and a token.
  const isItemless = !importing && sessionKind !== 'none' && chance(0.15)
  return {
    place,
    user_id,
    stream,
    item_id: isItemless ? undefined : String(item),
    order_key: isItemless ? undefined : `${chance(0.1) ? 'other' : 'number'}:${String(item).padStart(10, '0')}`,
    count: maybe(0.3, pick([0, 7, 8, 9, 10, 1_000, 1_001, MOST])),
    addition: maybe(0.5, pick([0, 1, 2, 3, 4, 20, MOST])),
    crawled_at: maybe(0.3, '2025-12-30T10:00:00.123Z'),
    session_id:
      sessionKind === 'none'
        ? undefined
        : sessionKind === 'others'
          ? `ann-${STREAMS[0]}-owner`
          : `${user_id}-${stream}-${sessionKind}`,
    page_token: isItemless ? pick(['p1', 'p2', 'p3']) : maybe(0.5, pick(['p1', 'p2', ''])),
    head: isItemless ? undefined : maybe(importing ? 0.7 : 0.2, ['130', String(item)]),
    expected_version: maybe(0.15, random.below(13)),
    key: maybe(0.1, pick(['k1', 'k2', 'k3'])),
    fingerprint: pick(['f1', 'f1', 'f2']),
    api_requests: maybe(0.3, pick([1, 2, 3, 4, MOST])),
    rate_limit_hits: maybe(0.2, pick([1, 2, 3, MOST])),
    rate_limited_until: maybe(0.2, '2026-01-01T02:00:00Z'),
    importing,
    actor: maybe(0.8, 'key:crawler'),
    out_of_reach: maybe(0.05, true),
  }
}

const SAVE = `SELECT command, outcome, created, checkpoint #- '{updated_at}' #- '{created_at}' #- '{state,head_list_id}' #- '{state,anchor_list_id}' #- '{state,catch_up_head_list_id}' AS checkpoint,
  session, detail FROM crawler.save_checkpoints($1, $2) ORDER BY command`

async function save(client: pg.Client, commands: readonly Command[], skipBusy: boolean): Promise<unknown[]> {
  const { rows } = await client.query({ name: 'save', text: SAVE, values: [JSON.stringify(commands), skipBusy] })
  return rows
}

async function countPlain(client: pg.Client, commands: readonly Command[]): Promise<number> {
  await client.query('BEGIN')
  const { rowCount } = await client.query({
    name: 'plain',
    text: 'SELECT FROM crawler.save_plain($1)',
    values: [JSON.stringify(commands)],
  })
  await client.query('ROLLBACK')
  return rowCount ?? 0
}

async function onTwo(
  use: (together: pg.Client, oneByOne: pg.Client, databases: readonly TestDatabase[]) => Promise<void>,
): Promise<void> {
  await using first = await createTestDatabase()
  await using second = await createTestDatabase()
  await withClient(first.url, (together) =>
    withClient(second.url, async (oneByOne) => {
      for (const client of [together, oneByOne]) await client.query(PREPARE)
      await use(together, oneByOne, [first, second])
    }),
  )
}

describe('the saves of a set that are written by one statement', () => {
  it.each([1, 2, 3, 4])('come to what they come to one by one (seed %i)', async (seed) => {
    const random = seededRandom(seed)
    await onTwo(async (together, oneByOne) => {
      let asked = 0
      let plain = 0
      for (let number = 1; number <= SETS; number += 1) {
        for (const client of [together, oneByOne]) {
          await client.query(`UPDATE public.moment SET now = now + interval '20 s'`)
        }
        const commands = Array.from({ length: 2 + random.below(11) }, (_, place) => makeCommand(random, place))
        asked += commands.length
        plain += await countPlain(together, commands)
        const outcomes: unknown[] = []
        for (const command of commands) outcomes.push(...(await save(oneByOne, [command], true)))
        expect(await save(together, commands, true), `set ${number}: ${JSON.stringify(commands)}`).toEqual(outcomes)
      }
      for (const text of WRITTEN) {
        const { rows } = await oneByOne.query(text)
        expect((await together.query(text)).rows).toEqual(rows)
      }
      expect(plain / asked).toBeGreaterThan(0.05)
    })
  })
})
