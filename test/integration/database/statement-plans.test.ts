import { expect, it } from 'vitest'
import { createTestDatabase, withClient } from '../../support/database.ts'

it('a save by key scans no table from end to end, whatever the collations of what it hands on', async () => {
  await using database = await createTestDatabase()
  await database.query(`
    INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, 5000) n;
    INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id) SELECT id, '1' FROM public."user";
    ANALYZE`)
  const save = (place: number) => ({
    place,
    user_id: 'user-7',
    stream: 'twitter/bookmarks',
    item_id: `9${place}`,
    order_key: `number:9${place}`,
    key: `k${place}`,
    fingerprint: 'f',
  })
  await withClient(database.url, async (client) => {
    await client.query('BEGIN')
    await client.query('SELECT FROM crawler.save_checkpoints($1, false)', [JSON.stringify([save(1)])])
    await client.query('SELECT FROM crawler.save_checkpoints($1, true)', [JSON.stringify([save(2), save(3)])])
    await client.query(
      `SELECT FROM crawler.rollback_checkpoint('user-7', 'twitter/bookmarks', 1, NULL, false, NULL, 'me', NULL)`,
    )
    await client.query(`SELECT FROM crawler.clear_checkpoint('user-7', 'twitter/bookmarks', NULL, NULL, 'me', NULL)`)
    await client.query(`UPDATE crawler.crawl_checkpoint SET last_tweet_id = '5' WHERE user_id = 'user-8'`)
    expect(
      (
        await client.query(
          `SELECT relname FROM pg_stat_xact_user_tables WHERE schemaname = 'crawler' AND seq_tup_read > 100`,
        )
      ).rows,
    ).toEqual([])
    await client.query('ROLLBACK')
  })
})
