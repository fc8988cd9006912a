import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { controlClock } from '../../support/clock.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const DAY = 86_400
const KEEP = 2
const STREAM = 'twitter/bookmarks'

describe('a save', () => {
  let database: TestDatabase
  let clock: Awaited<ReturnType<typeof controlClock>>
  let app: Awaited<ReturnType<typeof startOn>>
  let item = 0
  beforeEach(async () => {
    database = await createTestDatabase()
    clock = await controlClock(database)
    // Retention itself never runs here.
    const settings = { HISTORY_KEEP_REVISIONS: String(KEEP), HISTORY_RETENTION_DAYS: '1' }
    app = await startOn(database.url, settings, { pruneEachMs: 1_000_000 })
    for (const userId of ['ann', 'bob']) await mutate(clientOf(app.url), 'registerUser', { userId })
  })
  afterEach(async () => {
    await app.close()
    await database[Symbol.asyncDispose]()
  })

  const save = async (input: Record<string, unknown> = {}) => {
    item += 1
    const saved = await mutate(clientOf(app.url), 'saveCheckpoint', { userId: 'ann', itemId: String(item), ...input })
    expect(saved.__typename).toBe('SaveCheckpointSuccess')
  }
  const saves = async (count: number, input: Record<string, unknown> = {}) => {
    for (let n = 0; n < count; n += 1) await save(input)
  }
  const versions = async (userId = 'ann', stream = STREAM) => {
    const rows = await database.query<{ version: number }>(
      'SELECT version FROM crawler.checkpoint_revision WHERE user_id = $1 AND stream = $2 ORDER BY version',
      [userId, stream],
    )
    return rows.map(({ version }) => version)
  }

  it('deletes two revisions of its list that are past their retention, the oldest first, until none is left', async () => {
    await saves(7)
    await saves(7, { userId: 'bob' })
    expect(await versions()).toEqual([1, 2, 3, 4, 5, 6, 7])
    await clock.advance(3 * DAY)
    await save()
    expect(await versions()).toEqual([3, 4, 5, 6, 7, 8])
    // By a key, and in a set with others.
    await save({ idempotencyKey: 'page 9' })
    expect(await versions()).toEqual([5, 6, 7, 8, 9])
    await Promise.all([save(), save({ stream: 'twitter/likes' }), save({ userId: 'bob', stream: 'twitter/likes' })])
    expect(await versions()).toEqual([7, 8, 9, 10])
    await save()
    // The young ones stay, however many.
    expect(await versions()).toEqual([8, 9, 10, 11])
    await saves(3)
    expect(await versions()).toEqual([8, 9, 10, 11, 12, 13, 14])
    // Nobody saved this list.
    expect(await versions('bob')).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it('prunes as fast as lists are written, whatever the rate: hundreds of saves in one request', async () => {
    const request = async (count: number) => {
      const inputs = Array.from({ length: count }, (_, n) => ({
        userId: 'ann',
        stream: `twitter/list-${n % 20}`,
        itemId: String((item += 1)),
      }))
      await clientOf(app.url).ask(
        'mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { __typename } }',
        { inputs },
      )
    }
    for (let round = 0; round < 5; round += 1) await request(20)
    await clock.advance(3 * DAY)
    for (let round = 0; round < 6; round += 1) await request(20)
    const [rows] = await database.query<{ old: number; young: number }>(
      `SELECT count(*) FILTER (WHERE recorded_at < crawler.clock() - interval '1 day')::integer AS old,
        count(*) FILTER (WHERE recorded_at > crawler.clock() - interval '1 day')::integer AS young
      FROM crawler.checkpoint_revision`,
    )
    expect(rows).toEqual({ old: 0, young: 120 })
  })

  it('keeps the newest, however old, and counts them where a move skipped versions', async () => {
    await saves(4)
    await clock.advance(30 * DAY)
    await save()
    await clock.advance(30 * DAY)
    await save()
    await clock.advance(30 * DAY)
    await save()
    expect(await versions()).toEqual([6, 7])
    // A list whose versions go on elsewhere: of 1, 2, 3, 10 and 11 the newest two are 10 and 11.
    await saves(3, { userId: 'bob' })
    await database.query(`
      UPDATE crawler.crawl_state SET version = 9 WHERE user_id = 'bob';
      UPDATE crawler.checkpoint_revision SET version = 9, follows_version = 2 WHERE user_id = 'bob' AND version = 3`)
    await clock.advance(3 * DAY)
    await save({ userId: 'bob' })
    expect(await versions('bob')).toEqual([9, 10])
  })

  it('deletes the heads that only such revisions had, and none that is still in use', async () => {
    await saves(4)
    // The first version's alone, the first two versions', the first and the last version's, and the state's.
    await database.query(`
      INSERT INTO crawler.item_list (user_id, item_ids, recorded_at)
        SELECT 'ann', ARRAY[name], crawler.clock() FROM unnest('{one,two,last,state}'::text[]) name;
      CREATE FUNCTION public.list(name text) RETURNS bigint LANGUAGE sql AS
        'SELECT list_id FROM crawler.item_list WHERE item_ids = ARRAY[name]';
      UPDATE crawler.checkpoint_revision SET head_list_id = list('one'), anchor_list_id = list('two'), catch_up_head_list_id = list('last')
        WHERE version = 1;
      UPDATE crawler.checkpoint_revision SET head_list_id = list('two'), anchor_list_id = list('state') WHERE version = 2;
      UPDATE crawler.checkpoint_revision SET anchor_list_id = list('last') WHERE version = 4;
      UPDATE crawler.crawl_state SET catch_up_head_list_id = list('state') WHERE user_id = 'ann'`)
    const lists = async () =>
      (
        await database.query<{ name: string }>('SELECT item_ids[1] AS name FROM crawler.item_list ORDER BY list_id')
      ).map(({ name }) => name)
    expect(await lists()).toEqual(['one', 'two', 'last', 'state'])
    await clock.advance(3 * DAY)
    await save()
    expect(await versions()).toEqual([3, 4, 5])
    expect(await lists()).toEqual(['last', 'state'])
  })

  it('looks at the history only where the oldest revision is past its retention', async () => {
    await database.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET track_functions = 'pl'`)
    const calls = async () =>
      (
        await database.query<{ calls: number }>(
          `SELECT coalesce(sum(calls), 0)::integer AS calls FROM pg_stat_user_functions WHERE funcname = 'prune_history'`,
        )
      )[0]?.calls
    // A new connection has the setting.
    await app.close()
    app = await startOn(database.url, { HISTORY_KEEP_REVISIONS: '2', HISTORY_RETENTION_DAYS: '1' })
    await saves(40)
    await app.close()
    // The third save finds out when the first was.
    expect(await calls()).toBe(1)
  })
})
