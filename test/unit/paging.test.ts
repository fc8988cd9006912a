import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors/fault.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../../src/graphql/paging.ts'

const LIST = 'sessions DESC'
const counted = () => Promise.resolve(7)
const rowsAt = (...positions: string[][]) => positions.map((position, node) => ({ node, position }))

function connectionOf(
  args: Parameters<typeof toKeysetPage>[2],
  rows = rowsAt(['2026-01-01 00:00:00+00', 's1'], ['2025-01-01 00:00:00.1+00', 's2']),
  hasMore = false,
) {
  return toConnection(LIST, toKeysetPage(LIST, ['time', 'text'], args), { rows, hasMore }, counted)
}

describe('the size of a page', () => {
  it.each([
    [{}, { limit: 20, backward: false }],
    [
      { first: null, last: null },
      { limit: 20, backward: false },
    ],
    [{ first: 0 }, { limit: 0, backward: false }],
    [{ first: 100 }, { limit: 100, backward: false }],
    [
      { first: 7, last: null },
      { limit: 7, backward: false },
    ],
    [
      { last: 7, first: null },
      { limit: 7, backward: true },
    ],
    [{ last: 0 }, { limit: 0, backward: true }],
  ])('for %j is %j', (args, page) => {
    expect(toKeysetPage(LIST, ['time', 'text'], args)).toMatchObject(page)
    expect(pageArgumentsSchema.safeParse(args).success).toBe(true)
  })

  it.each([
    [{ first: -1 }, 'must not be negative'],
    [{ last: -1 }, 'must not be negative'],
    [{ first: 101 }, 'must not be above 100'],
    [{ last: 101 }, 'must not be above 100'],
    [{ first: 1, last: 1 }, 'first and last cannot go together'],
    [{ first: 0, last: 0 }, 'first and last cannot go together'],
  ])('is refused for %j', (args, message) => {
    const parsed = pageArgumentsSchema.safeParse(args)
    expect(parsed.error?.issues.map((issue) => issue.message).join()).toContain(message)
  })
})

describe('a cursor', () => {
  it('says where its row is, whatever is in its key', () => {
    for (const key of ['s1', '"', '\\', '🦜', '","', '\n']) {
      const { edges, pageInfo } = connectionOf({}, rowsAt(['2026-11-24 07:33:00.000001+00', key]))
      expect(edges[0]?.cursor).toMatch(/^[A-Za-z0-9_-]+$/)
      expect(pageInfo).toMatchObject({ startCursor: edges[0]?.cursor, endCursor: edges[0]?.cursor })
      const cursor = edges[0]?.cursor ?? ''
      const position = ['2026-11-24 07:33:00.000001+00', key]
      expect(toKeysetPage(LIST, ['time', 'text'], { after: cursor })).toMatchObject({
        after: position,
        before: undefined,
      })
      expect(toKeysetPage(LIST, ['time', 'text'], { last: 1, before: cursor })).toMatchObject({
        after: undefined,
        before: position,
      })
    }
  })

  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

  const time = '2026-11-24 07:33:00.123456+00'

  it.each([
    ['of another list', encode(['checkpoints DESC', time, 'b'])],
    ['of the other order', encode(['sessions ASC', time, 'b'])],
    ['with too few values', encode([LIST, time])],
    ['with too many values', encode([LIST, time, 'b', 'c'])],
    ['with a number', encode([LIST, time, 1])],
    ['with NUL', encode([LIST, time, 'b\0'])],
    ['with a time zone by name', encode([LIST, '2026-11-24 07:33:00 Foo/Bar', 'b'])],
    ['with another offset', encode([LIST, '2026-11-24 07:33:00+99', 'b'])],
    ['with a word for a time', encode([LIST, 'now', 'b'])],
    ['with a line after its time', encode([LIST, `${time}\n`, 'b'])],
    ['that is an object', encode({ 0: LIST, 1: time, 2: 'b', length: 3 })],
    ['that is null', encode(null)],
    ['that is empty', ''],
    ['that is no base64', '%%%'],
    ['that is no JSON', Buffer.from('[').toString('base64url')],
    ['of another server', Buffer.from('cursor:1').toString('base64')],
  ])('%s is refused, and the refusal says what to send', (_what, cursor) => {
    for (const args of [{ after: cursor }, { before: cursor }]) {
      expect(() => toKeysetPage(LIST, ['time', 'text'], args)).toThrow(Fault)
      expect(() => toKeysetPage(LIST, ['time', 'text'], args)).toThrow(
        /is no cursor of this list in this order: send startCursor or endCursor/,
      )
    }
  })
})

describe('a page', () => {
  const cursor = connectionOf({}).pageInfo.startCursor

  it.each([
    [{}, false, { hasNextPage: false, hasPreviousPage: false }],
    [{}, true, { hasNextPage: true, hasPreviousPage: false }],
    [{ after: cursor }, false, { hasNextPage: false, hasPreviousPage: true }],
    [{ last: 2 }, true, { hasNextPage: false, hasPreviousPage: true }],
    [{ last: 2 }, false, { hasNextPage: false, hasPreviousPage: false }],
    [{ last: 2, before: cursor }, false, { hasNextPage: true, hasPreviousPage: false }],
  ])('for %j, with more rows %s, has %j', (args, hasMore, pageInfo) => {
    expect(connectionOf(args, undefined, hasMore).pageInfo).toMatchObject(pageInfo)
  })

  it('that is empty has no cursors', () => {
    expect(connectionOf({}, [])).toMatchObject({ edges: [], pageInfo: { startCursor: null, endCursor: null } })
  })

  it('counts only when it is asked to', async () => {
    let asked = 0
    const { totalCount } = toConnection(
      LIST,
      toKeysetPage(LIST, ['time', 'text'], {}),
      { rows: [], hasMore: false },
      () => {
        asked += 1
        return counted()
      },
    )
    expect(asked).toBe(0)
    expect(await totalCount()).toBe(7)
  })
})
