import { describe, expect, it } from 'vitest'
import { localOperator } from '../../../src/identity/principal.ts'
import { setUpCrawls } from '../../support/crawls.ts'
import { createWorld } from '../access/worlds.ts'

const REVISIONS = `query ($id: String!, $first: Int, $after: String, $last: Int, $before: String) { session(sessionId: $id) {
  revisions(first: $first, after: $after, last: $last, before: $before) {
    totalCount nodes { version source lastItemId pageToken session { sessionId } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`

interface Revision {
  readonly version: number
  readonly source: string
  readonly lastItemId: string
}

describe('the revisions of a session', () => {
  const crawls = setUpCrawls()
  const page = async (id: string, args: Record<string, unknown> = {}) =>
    (await crawls.waymark.ask(REVISIONS, { id, ...args })).session.revisions
  const versions = async (id: string, args?: Record<string, unknown>) =>
    ((await page(id, args)).nodes as Revision[]).map(({ version, source }) => `${version} ${source}`)
  const foreign = (text: string) => crawls.waymark.database.query(text, [crawls.userId])
  const saveIn = (sessionId: string, itemId: string) =>
    crawls.save({ sessionId, itemId, pageToken: `page of ${itemId}` })

  it('are those that it wrote, newest first, whoever else wrote to the list before, between and after', async () => {
    await crawls.save({ itemId: '10' })
    const first = await crawls.startId()
    expect(await page(first)).toMatchObject({ totalCount: 0, nodes: [] })
    await saveIn(first, '20')
    // Another list of the same user, meanwhile.
    const other = await crawls.startId({ stream: 'reddit/saved' })
    await crawls.save({ sessionId: other, stream: 'reddit/saved', itemId: 't3_a' })
    await foreign('UPDATE crawler.crawl_checkpoint SET bookmarks_count = 7 WHERE user_id = $1')
    await saveIn(first, '21')
    await crawls.run('completeSession', { sessionId: first })
    await crawls.save({ itemId: '22' })
    await crawls.run('rollbackCheckpoint', { userId: crawls.userId, stream: 'twitter/bookmarks', toVersion: 2 })
    const second = await crawls.startId()
    for (const itemId of ['30', '31']) await saveIn(second, itemId)
    const third = await crawls.startId({ takeover: true })
    expect((await saveIn(second, '32')).code).toBe('STALE_EPOCH')
    await saveIn(third, '40')
    await crawls.run('clearCheckpoint', { userId: crawls.userId, sessionId: third })

    expect(await versions(first)).toEqual(['5 COMPLETE', '4 SAVE', '2 SAVE'])
    expect(await versions(second)).toEqual(['9 SAVE', '8 SAVE'])
    expect(await versions(third)).toEqual(['11 CLEAR', '10 SAVE'])
    expect(await versions(other)).toEqual(['2 EXTERNAL', '1 SAVE'].slice(1))
    const told = await page(second, { first: 1 })
    expect(told.nodes).toEqual([
      { version: 9, source: 'SAVE', lastItemId: '31', pageToken: 'page of 31', session: { sessionId: second } },
    ])
    // The sessions around it are gone: its own stay as they are.
    await foreign(`DELETE FROM crawler.crawl_session WHERE user_id = $1 AND session_id <> '${second}'`)
    expect(await versions(second)).toEqual(['9 SAVE', '8 SAVE'])
  })

  it('have the RESTART of a full pass, and are none of a session that was started by another program', async () => {
    await crawls.save()
    const full = await crawls.startId({ mode: 'FULL' })
    await saveIn(full, '50')
    expect(await versions(full)).toEqual(['3 SAVE', '2 RESTART'])
    await foreign(
      `INSERT INTO crawler.crawl_session (session_id, user_id, started_at, status) VALUES ('foreign ' || $1, $1, now(), 'running')`,
    )
    expect(await versions(`foreign ${crawls.userId}`)).toEqual([])
  })

  it('come page by page, in both directions', async () => {
    const sessionId = await crawls.startId()
    for (let item = 20; item < 27; item += 1) await saveIn(sessionId, String(item))
    const all = [7, 6, 5, 4, 3, 2, 1]
    for (const [size, from, cursor, more] of [
      ['first', 'after', 'endCursor', 'hasNextPage'],
      ['last', 'before', 'startCursor', 'hasPreviousPage'],
    ] as const) {
      const seen: number[] = []
      for (let at: string | null = null; ;) {
        const { totalCount, nodes, pageInfo } = await page(sessionId, { [size]: 3, [from]: at })
        expect(totalCount).toBe(7)
        const numbers = (nodes as Revision[]).map(({ version }) => version)
        seen.splice(size === 'first' ? seen.length : 0, 0, ...numbers)
        if (!pageInfo[more]) break
        at = pageInfo[cursor]
      }
      expect(seen).toEqual(all)
    }
    expect(await versions(sessionId)).toHaveLength(7)
    const { code } = await crawls.waymark.fail(REVISIONS, { id: sessionId, after: 'nowhere' })
    expect(code).toBe('BAD_USER_INPUT')
    expect((await crawls.waymark.fail(REVISIONS, { id: sessionId, first: 101 })).code).toBe('BAD_USER_INPUT')
  })

  it('are read for all sessions of a list with one statement, and only within the reach of the caller', async () => {
    await using world = await createWorld()
    const ask = (query: string, caller = localOperator) => world.ask(caller, query)
    for (const userId of ['own', 'other']) {
      await ask(`mutation { registerUser(input: { userId: "${userId}" }) { __typename } }`)
      await ask(`mutation { startSession(input: { userId: "${userId}", sessionId: "of-${userId}" }) { __typename } }`)
      for (const itemId of [20, 21]) {
        await ask(
          `mutation { saveCheckpoint(input: { sessionId: "of-${userId}", userId: "${userId}", itemId: "${itemId}" }) { __typename } }`,
        )
      }
    }
    world.statementsSent()
    const list = '{ sessions { nodes { sessionId revisions(first: 1) { nodes { version } } } } }'
    const node = (userId: string) => ({ sessionId: `of-${userId}`, revisions: { nodes: [{ version: 2 }] } })
    expect((await ask(list)).data).toEqual({ sessions: { nodes: [node('other'), node('own')] } })
    expect(world.statementsSent().filter((text) => text.includes('checkpoint_revision'))).toHaveLength(1)
    const bound = { ...localOperator, subject: 'key:own', userIds: new Set(['own']) }
    expect((await ask(list, bound)).data).toEqual({ sessions: { nodes: [node('own')] } })
  })
})
