import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** What PostgreSQL, JavaScript or nobody takes for the number, the time or the text that should be there. */
const WRONG: readonly unknown[] = [
  ...[
    'abc',
    '',
    ' ',
    '1e5',
    '2147483648',
    '-1',
    '1.5',
    '0x10',
    '01',
    '+1',
    ' 1',
    '9'.repeat(400),
    'NaN',
    '\u0000',
    '\ud800',
  ],
  ...[
    'Infinity',
    'now',
    'epoch',
    'today',
    '-infinity',
    '2026-02-30 00:00:00+00',
    '2026-13-01 00:00:00+00',
    '2026-01-01 24:00:00+00',
  ],
  ...[
    '2026-01-01 00:60:00+00',
    '2026-01-01 00:00:60+00',
    '0000-01-01 00:00:00+00',
    '294277-01-01 00:00:00+00',
    '4714-01-01 00:00:00+00 BC',
  ],
  ...[
    '999999-01-01 00:00:00+00',
    '2025-02-29 00:00:00+00',
    '2026-01-01 00:00:00+00 ',
    '2026-01-01T00:00:00Z',
    "'; DROP TABLE x",
  ],
  ...[1, null, true, [], {}, -0],
]
const NO_LISTS: readonly string[] = [
  '',
  'abc',
  '%%%',
  '=',
  encode(null),
  encode([]),
  encode({}),
  encode('x'),
  encode([[]]),
  'x'.repeat(10_000),
]

describe('a cursor that somebody made up', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await mutate(waymark, 'registerUser', { userId: 'ann' })
    await mutate(waymark, 'saveCheckpoint', { userId: 'ann', itemId: '1' })
    await mutate(waymark, 'startSession', { userId: 'ann', sessionId: 'run' })
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it.each([
    ['users', (args: string) => `list: users(${args})`],
    ...['LAST_CRAWLED_AT_DESC', 'LAST_CRAWLED_AT_ASC', 'LAST_COMPLETED_AT_ASC', 'LAST_COMPLETED_AT_DESC'].map(
      (order) => [`checkpoints ${order}`, (args: string) => `list: checkpoints(orderBy: ${order}, ${args})`] as const,
    ),
    ...['STARTED_AT_DESC', 'STARTED_AT_ASC', 'COMPLETED_AT_DESC'].map(
      (order) => [`sessions ${order}`, (args: string) => `list: sessions(orderBy: ${order}, ${args})`] as const,
    ),
    ['checkpointHistory', (args: string) => `list: checkpointHistory(userId: "ann", ${args})`],
    ['User.sessions', (args: string) => `user(userId: "ann") { list: sessions(${args})`],
  ] as const)('of %s is BAD_USER_INPUT, or a place in the list', async (name, fieldOf) => {
    const end = name.startsWith('User.') ? '}' : ''
    const documentOf = (argument: string) =>
      `query ($c: String) { ${fieldOf(`${argument}: $c`)} { edges { cursor } } ${end} }`
    const { list: top, user } = await waymark.ask(`{ ${fieldOf('first: 1')} { edges { cursor } } ${end} }`)
    const given = (top ?? user.list).edges[0].cursor as string
    const parts = JSON.parse(Buffer.from(given, 'base64url').toString()) as unknown[]
    const madeUp = [
      ...NO_LISTS,
      encode([...parts, 'x']),
      encode(parts.slice(0, -1)),
      ...parts.flatMap((_, place) =>
        WRONG.map((wrong) => encode(parts.map((part, at) => (at === place ? wrong : part)))),
      ),
    ]
    const seen = new Set<string>()
    const others: string[] = []
    for (const argument of ['after', 'before']) {
      expect((await waymark.send(documentOf(argument), { c: given })).errors).toBeUndefined()
      for (const cursor of madeUp) {
        const { errors = [] } = await waymark.send(documentOf(argument), { c: cursor })
        const code = errors[0]?.extensions.code ?? 'a page'
        seen.add(code)
        if (!['BAD_USER_INPUT', 'a page'].includes(code)) {
          others.push(`${argument} ${Buffer.from(cursor, 'base64url').toString().slice(0, 100)}: ${code}`)
        }
      }
    }
    expect(others).toEqual([])
    expect(seen).toContain('BAD_USER_INPUT')
  })

  it.each([['abc'], ['1e5'], ['2147483648'], ['0'], ['']])(
    'of a history, ["history", "%s"], is BAD_USER_INPUT',
    async (version) => {
      const query = 'query ($after: String) { checkpointHistory(userId: "ann", after: $after) { nodes { version } } }'
      expect(await waymark.fail(query, { after: encode(['history', version]) })).toEqual({
        code: 'BAD_USER_INPUT',
        message: expect.stringContaining('send startCursor or endCursor') as string,
      })
    },
  )

  it('of a feed is BAD_USER_INPUT or CURSOR_EXPIRED', { timeout: 60_000 }, async () => {
    const generation = '00000000-0000-0000-0000-000000000000'
    const { checkpoints } = await waymark.ask('{ checkpoints(first: 1) { feedCursor } }')
    const real =
      Buffer.from(checkpoints.feedCursor as string, 'base64url')
        .toString()
        .split(':')[0] ?? ''
    const raw = ['abc', '1e5', '-1', '9'.repeat(18), '9'.repeat(19), '1.5', '', ' 1', '0x1', '1\n'].flatMap((id) => [
      `${real}:${id}`,
      `${generation}:${id}`,
    ])
    const cursors = [
      ...NO_LISTS.filter((text) => text !== ''),
      ...raw.map((text) => Buffer.from(text).toString('base64url')),
      encode(['history', '1']),
    ]
    for (const field of ['checkpointChanged', 'sessionStatusChanged']) {
      for (const after of cursors) {
        const query = `subscription ($after: String) { ${field}(after: $after) { cursor } }`
        const response = await fetch(waymark.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
          body: JSON.stringify({ query, variables: { after } }),
        })
        expect([after, await response.text()]).toEqual([
          after,
          expect.stringMatching(/"code":"(BAD_USER_INPUT|CURSOR_EXPIRED)"/),
        ])
      }
    }
  })
})
