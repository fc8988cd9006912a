import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../../src/app.ts'
import {
  createTestDatabase,
  letWritersWait,
  statementsWaitingForLocks,
  type TestDatabase,
  withClient,
} from '../../support/database.ts'
import { scrape } from '../../support/metrics.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const SAVE_MANY = `mutation ($inputs: [SaveCheckpointInput!]!) {
  saveCheckpoints(inputs: $inputs) { __typename ... on UserError { code } } }`
const SAVE_ONE = 'mutation { saveCheckpoint(input: { userId: "single", itemId: "20" }) { __typename } }'

describe('saveCheckpoints with more than one set of saves', () => {
  let database: TestDatabase
  let app: App
  beforeAll(async () => {
    database = await createTestDatabase()
    await letWritersWait(database)
    app = await startOn(database.url, { METRICS_PORT: '0', DATABASE_STATEMENT_TIMEOUT_MS: '60000' })
    for (const userId of ['many', 'others', 'single']) await mutate(clientOf(app.url), 'registerUser', { userId })
  })
  afterAll(async () => {
    await app.close()
    await database[Symbol.asyncDispose]()
  })

  async function saveMany(userId: string, count: number): Promise<string[]> {
    const inputs = Array.from({ length: count }, (_, n) => ({ userId, itemId: String(n + 20) }))
    const { data, errors = [] } = await clientOf(app.url).send(SAVE_MANY, { inputs })
    const results = (data?.['saveCheckpoints'] ?? []) as { __typename: string }[]
    return [...new Set([...results.map(({ __typename }) => __typename), ...errors.map(({ message }) => message)])]
  }
  const saveOne = async () => (await clientOf(app.url).send(SAVE_ONE)).errors?.[0]?.extensions.code ?? 'saved'
  const savesWaiting = async () => (await scrape(app.metricsUrl ?? '')).get('waymark_queue_waiting{queue="saves"}')

  it('lets a save of somebody else’s get in between two of its sets', { timeout: 90_000 }, async () => {
    const order: string[] = []
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE crawler.crawl_checkpoint IN ACCESS EXCLUSIVE MODE')
      const many = saveMany('many', 10_000).then((results) => {
        order.push('many')
        return results
      })
      await statementsWaitingForLocks(client, 1)
      // The first set is being written. Whoever saves one waits for it for a second, and asks again.
      const single = (async () => {
        while ((await saveOne()) === 'OVERLOADED');
        order.push('single')
      })()
      await client.query('ROLLBACK')
      await single
      expect(await many).toEqual(['SaveCheckpointSuccess'])
    })
    expect(order).toEqual(['single', 'many'])
  })

  it('waits for longer than a lone save may, behind another’s set', { timeout: 90_000 }, async () => {
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE crawler.crawl_checkpoint IN ACCESS EXCLUSIVE MODE')
      const many = saveMany('many', 1_000)
      await statementsWaitingForLocks(client, 1)
      const others = saveMany('others', 1_500)
      await expect.poll(savesWaiting, { timeout: 10_000 }).toBe(1_000)
      expect(await saveOne()).toBe('OVERLOADED')
      await client.query('ROLLBACK')
      expect([await many, await others]).toEqual([['SaveCheckpointSuccess'], ['SaveCheckpointSuccess']])
    })
  })
})
