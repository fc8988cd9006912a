import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Waymark } from '../../../clients/typescript/src/index.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { PagedList } from './paged-list.ts'

let server: TestWaymark
let waymark: Waymark
let users = 0
beforeAll(async () => {
  server = await startWaymark()
  waymark = new Waymark({ url: server.url })
})
afterAll(() => server[Symbol.asyncDispose]())

async function newUser(): Promise<string> {
  users += 1
  const userId = `crawled-${users}`
  await mutate(server, 'registerUser', { userId })
  return userId
}
const stream = 'reddit/saved'

describe('crawl', () => {
  it('crawls a list to its end, then only what is new', async () => {
    const userId = await newUser()
    const list = new PagedList([['t3_9', 't3_8', 't3_7'], ['t3_6', 't3_5'], ['t3_4']])
    const first = await waymark.crawl({ userId, stream, ...list.options })
    expect(first).toMatchObject({
      outcome: 'completed',
      sessions: [{ mode: 'FULL', pages: 3, items: 6, added: 6 }],
    })
    expect(list.asked).toEqual([null, 'p1', 'p2'])
    expect(list.processed).toEqual([['t3_9', 't3_8', 't3_7'], ['t3_6', 't3_5'], ['t3_4']])
    list.pages = [
      ['t3_b', 't3_a', 't3_9'],
      ['t3_8', 't3_7'],
      ['t3_6', 't3_5'],
    ]
    const second = await waymark.crawl({ userId, stream, ...list.options })
    expect(second).toMatchObject({ outcome: 'completed', sessions: [{ mode: 'INCREMENTAL', pages: 2 }] })
    expect(list.processed.slice(3)).toEqual([['t3_b', 't3_a', 't3_9']])
    expect(await waymark.checkpointManager(userId, { stream }).getCheckpoint()).toMatchObject({
      complete: true,
      bookmarksCount: 9,
    })
  })
})
