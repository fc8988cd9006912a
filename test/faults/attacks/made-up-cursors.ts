import { expect } from 'vitest'
import { openStream } from '../open-stream.ts'
import { type Attack, expectCode, overEachWay, type Target } from '../attack.ts'
import { isFull } from '../rounds.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

const NUMBERS = ['abc', '1e5', '2147483648', '-1', '1.5', '0x10', '01', '9'.repeat(400), 'NaN', '\u0000', null, 1]
const TIMES = ['', 'now', 'infinity', '2026-02-30 00:00:00+00', '294277-01-01 00:00:00+00', '\u0000', null, 0]

/** Fields with a place for a cursor, and what is no cursor there. */
const LISTS: readonly (readonly [field: string, wrong: readonly string[]])[] = [
  [
    'checkpointHistory(userId: "crawled", first: 1, after: $cursor)',
    NUMBERS.map((wrong) => encode(['history', wrong])),
  ],
  [
    'checkpointHistory(userId: "crawled", last: 1, before: $cursor)',
    NUMBERS.map((wrong) => encode(['history', wrong])),
  ],
  ['sessions(first: 1, after: $cursor)', TIMES.map((wrong) => encode(['STARTED_AT_DESC', wrong, 'x']))],
  ['checkpoints(first: 1, after: $cursor)', TIMES.map((wrong) => encode(['LAST_CRAWLED_AT_DESC', wrong, 'x', 'y/z']))],
  ['users(first: 1, after: $cursor)', ['', '%%%', encode(null), encode([[]]), encode(['users']), 'x'.repeat(10_000)]],
]
const FEEDS = ['checkpointChanged', 'sessionStatusChanged']
const GENERATION = '00000000-0000-0000-0000-000000000000'
const PLACES = ['abc', `${GENERATION}:1e5`, `${GENERATION}:-1`, `${GENERATION}:${'9'.repeat(18)}`, '{"a":', '\u0000']

const some = <Item>(items: readonly Item[]) => (isFull ? items : items.slice(0, 4))

const lists = overEachWay(async (ask, target) => {
  for (const [field, wrong] of LISTS) {
    const query = `query ($cursor: String) { ${field} { nodes { __typename } } }`
    for (const cursor of some(wrong)) await expectCode(ask, target, 'BAD_USER_INPUT', query, { cursor })
  }
})

async function feeds(way: keyof typeof openStream, { url, insider: authorization }: Target): Promise<void> {
  for (const field of FEEDS) {
    for (const place of some(PLACES)) {
      const query = `subscription ($after: String) { ${field}(after: $after) { cursor } }`
      const variables = { after: Buffer.from(place).toString('base64url') }
      const stream = await openStream[way]({ url, authorization, query, variables })
      await stream.over
      await stream.close()
      expect(stream.told).toMatch(/"code":"(BAD_USER_INPUT|CURSOR_EXPIRED)"/)
    }
  }
}

export const attack: Attack = {
  title: 'cursors that nobody gave out, for each list and feed',
  ways: {
    HTTP: lists.HTTP,
    async SSE(target) {
      await lists.SSE(target)
      await feeds('SSE', target)
    },
    async WebSocket(target) {
      await lists.WebSocket(target)
      await feeds('WebSocket', target)
    },
  },
}
