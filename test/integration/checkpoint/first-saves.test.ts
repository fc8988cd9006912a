import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { App } from '../../../src/app.ts'
import { statementsWaitingForLocks, withClient } from '../../support/database.ts'
import { setUpCrawls } from '../../support/crawls.ts'
import { clientOf, startOn } from '../../support/waymark.ts'

const SAVE = `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) {
  __typename ... on UserError { code message } ... on VersionConflictError { currentVersion }
  ... on SaveCheckpointSuccess { created checkpoint { version lastItemId bookmarksCount } } } }`

describe('beside the save that makes the checkpoint, and that is not committed yet', () => {
  const crawls = setUpCrawls()
  const { run, revisions } = crawls
  /** A server writes the saves of one list one after the other, so the first save goes to another one. */
  let other: App
  beforeAll(async () => {
    other = await startOn(crawls.waymark.database.url)
  })
  afterAll(() => other.close())
  /** There is a row of crawl_state to wait for, and no checkpoint. */
  beforeEach(async () => {
    await crawls.save({ itemId: '1' })
    await run('clearCheckpoint', { userId: crawls.userId })
  })

  const saveBy = async (client: Pick<typeof crawls.waymark, 'ask'>, input: Record<string, unknown>) =>
    (await client.ask(SAVE, { input: { userId: crawls.userId, itemId: '20', ...input } })).result
  const first = () => saveBy(clientOf(other.url), { bookmarksAdded: 5, idempotencyKey: 'page-1' })

  /** Has both wait for the row of crawl_state, the first save before the other operation. @returns what came of both */
  async function behindTheFirstSave<Result>(operation: () => Promise<Result>) {
    return withClient(crawls.waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT FROM crawler.crawl_state WHERE user_id = $1 FOR UPDATE', [crawls.userId])
      const made = first()
      await statementsWaitingForLocks(client, 1)
      const told = operation()
      await statementsWaitingForLocks(client, 2)
      await client.query('COMMIT')
      return Promise.all([made, told])
    })
  }

  it('a save under its key is the repeat that it is', async () => {
    const [made, repeated] = await behindTheFirstSave(() =>
      saveBy(crawls.waymark, { bookmarksAdded: 5, idempotencyKey: 'page-1' }),
    )
    expect(made).toMatchObject({ created: true, checkpoint: { version: 3, lastItemId: '20', bookmarksCount: 5 } })
    expect(repeated).toEqual(made)
    expect(await revisions()).toHaveLength(3)
  })

  it('a save that expects another version is told the version that the first one made', async () => {
    const [, refused] = await behindTheFirstSave(() => saveBy(crawls.waymark, { expectedVersion: 7 }))
    expect(refused).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 3 })
  })

  it('a save without a key adds to what the first one counted', async () => {
    const [, added] = await behindTheFirstSave(() => saveBy(crawls.waymark, { itemId: '21', bookmarksAdded: 1 }))
    expect(added).toMatchObject({ created: false, checkpoint: { version: 4, lastItemId: '21', bookmarksCount: 6 } })
  })

  it('a clear forgets what the first one made', async () => {
    const [, cleared] = await behindTheFirstSave(() => run('clearCheckpoint', { userId: crawls.userId }))
    expect(cleared).toMatchObject({ cleared: true, lastItemId: '20' })
    expect(await revisions()).toHaveLength(4)
  })

  it.each([{}, { dryRun: true }])('a rollback to what the first one made tells it, with %j', async (more) => {
    const input = { userId: crawls.userId, stream: 'twitter/bookmarks', toVersion: 3, ...more }
    const [, rolledBack] = await behindTheFirstSave(() => run('rollbackCheckpoint', input))
    expect(rolledBack).toMatchObject({ checkpoint: { version: 3, lastItemId: '20' }, revision: null })
  })
})
