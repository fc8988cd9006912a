import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operations, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const cursor = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url')

/** What PostgreSQL's timestamptz takes, and what it fails on in ways of its own. */
const dates = [
  '2026-01-01 00:00:00+00',
  'infinity',
  '-infinity',
  'now',
  '',
  'never',
  '2026-99-99',
  '294277-01-01',
  '2026-01-01 Foo/Bar',
  '2026-01-01 00:00:00+99',
  '2026-01-01 00:00:00 +00 +00',
  '0000-01-01',
  '4714-01-01 BC',
  'J99999999999',
  '2026-01-01 99:99',
  '1'.repeat(10_000),
]
const texts = [
  '',
  '0',
  'alice',
  's1',
  'twitter/bookmarks',
  'reddit/saved',
  ' ',
  "' OR 1=1; --",
  '$1',
  '\\',
  '"',
  '%s%n',
  '\0',
  'a\0b',
  '\ud800',
  'a\udfff',
  '\u202e',
  '\ufffe',
  '🦜'.repeat(255),
  '🦜'.repeat(256),
  'x'.repeat(2049),
  'x'.repeat(100_000),
  '9223372036854775807',
  '9223372036854775808',
  '99999999999999999999999999',
  '-1',
  '1e400',
  'NaN',
  'null',
  '{}',
  '[]',
  '__proto__',
  'constructor',
  base64('User:alice'),
  base64('User:\0'),
  base64('CrawlSession:s1'),
  base64('Checkpoint:["alice","twitter/bookmarks"]'),
  base64('Checkpoint:["alice"]'),
  base64('Checkpoint:["\ud800","\\ud800"]'),
  base64(`User:${'x'.repeat(10_000)}`),
  cursor('users', 'a'),
  cursor('users', '\ud800'),
  cursor('users', 'x'.repeat(10_000)),
  cursor('users', ''),
  ...dates.flatMap((date) => [
    cursor('sessions DESC', date, 's1'),
    cursor('sessions ASC', date, ''),
    cursor('checkpoints DESC', date, 'alice', 'twitter/bookmarks'),
    cursor('checkpoints ASC', date, '\ud800', 'x'),
  ]),
]
const text = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...texts) },
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ maxLength: 20 }),
)
const count = fc.oneof(
  fc.constantFrom<unknown>(0, 1, -1, 2_147_483_647, 2_147_483_648, -2_147_483_648, 1.5, 1e308, '1', null, true, [], {}),
  fc.integer(),
)
const date = fc.constantFrom<unknown>(
  '2026-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '0000-12-31T23:59:59Z',
  '0001-01-01T00:00:00+23:59',
  '9999-12-31T23:59:59.999Z',
  '9999-12-31T23:59:59-23:59',
  '+010000-01-01T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '2026-12-31T23:59:60Z',
  '1970-01-01T00:00:00.000000000001Z',
  'infinity',
  '',
  0,
  -8.64e15,
  null,
  {},
)
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const input = fc.record(
  {
    userId: fc.oneof({ weight: 3, arbitrary: fc.constant('alice') }, text),
    stream: text,
    itemId: fc.oneof(fc.constant('20'), text),
    sessionId: fc.oneof(fc.constant('s1'), text),
    bookmarksCount: count,
    bookmarksAdded: count,
    bookmarksProcessed: count,
    crawledAt: date,
    outputFilePath: text,
    errorMessage: text,
    directImport: fc.constantFrom<unknown>(true, false, null, 1, 'yes'),
  },
  { requiredKeys: ['userId', 'itemId', 'sessionId', 'errorMessage'] },
)
const fieldsOf: Record<keyof typeof operations, readonly string[]> = {
  registerUser: ['userId'],
  saveCheckpoint: ['userId', 'stream', 'itemId', 'bookmarksCount', 'bookmarksAdded', 'crawledAt', 'sessionId'],
  clearCheckpoint: ['userId', 'stream'],
  startSession: ['userId', 'stream', 'sessionId', 'directImport', 'outputFilePath'],
  heartbeat: ['sessionId', 'bookmarksProcessed'],
  completeSession: ['sessionId', 'bookmarksProcessed', 'outputFilePath'],
  stopSession: ['sessionId', 'bookmarksProcessed'],
  failSession: ['sessionId', 'errorMessage', 'bookmarksProcessed'],
}
const names = Object.keys(fieldsOf) as (keyof typeof operations)[]

const page = fc.record({
  first: some(fc.oneof(fc.constantFrom(0, 1, 20, 100, 101), count)),
  last: some(fc.constantFrom<unknown>(0, 1, 101, -1)),
  after: some(text),
  before: some(text),
})
const filter = fc.record({
  userId: some(text),
  stream: some(text),
  platform: some(fc.constantFrom<unknown>('TWITTER', 'OTHER', 'twitter', '', null)),
})
const sessionFilter = fc.record({
  status: some(
    fc.constantFrom<unknown>([], ['RUNNING'], ['RUNNING', 'RUNNING'], ['FAILED', 'STOPPED'], 'RUNNING', [null], null),
  ),
  startedBefore: some(date),
  startedAfter: some(date),
})
const checkpointFilter = fc.record({ crawledBefore: some(date), crawledAfter: some(date), completedBefore: some(date) })

describe('whatever is sent', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await waymark.database.query(`INSERT INTO public."user" VALUES ('alice');
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('alice', 'twitter/bookmarks', '20');
      INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s1', 'alice')`)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  /** Data, a member of the result union, or the caller's mistake: never an error that nobody foresaw. */
  async function expectForeseen(query: string, variables: Record<string, unknown>) {
    const { status, errors } = await waymark.send(query, variables)
    for (const { extensions, message } of errors ?? [])
      expect(`${extensions.code}: ${message}`).toMatch(/^BAD_USER_INPUT: /)
    expect([200, 400]).toContain(status)
  }

  it('a mutation answers by its result union or by BAD_USER_INPUT', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), input, async (name, values) => {
        const own = Object.entries(values).filter(([field]) => fieldsOf[name].includes(field))
        await expectForeseen(operations[name], { input: Object.fromEntries(own) })
      }),
      { numRuns: 600 },
    )
  }, 120_000)

  it('a list answers by a page or by BAD_USER_INPUT', async () => {
    const args = 'first: $first, last: $last, after: $after, before: $before'
    const declared = '$first: Int, $last: Int, $after: String, $before: String'
    const lists: [string, fc.Arbitrary<object>][] = [
      [`query (${declared}) { users(${args}) { totalCount nodes { id } } }`, page],
      ...(['STARTED_AT_ASC', 'STARTED_AT_DESC'].map((order) => [
        `query (${declared}, $filter: CrawlSessionFilter) {
          sessions(${args}, filter: $filter, orderBy: ${order}) { totalCount nodes { id } } sessionStats(filter: $filter) { total } }`,
        fc.tuple(page, filter, sessionFilter).map(([paged, by, also]) => ({ ...paged, filter: { ...by, ...also } })),
      ]) as [string, fc.Arbitrary<object>][]),
      ...(['LAST_CRAWLED_AT_ASC', 'LAST_CRAWLED_AT_DESC', 'LAST_COMPLETED_AT_ASC'].map((order) => [
        `query (${declared}, $filter: CheckpointFilter) {
          checkpoints(${args}, filter: $filter, orderBy: ${order}) { totalCount nodes { id } } }`,
        fc.tuple(page, filter, checkpointFilter).map(([paged, by, also]) => ({ ...paged, filter: { ...by, ...also } })),
      ]) as [string, fc.Arbitrary<object>][]),
      [
        `query (${declared}, $filter: CrawlSessionFilter) {
          user(userId: "alice") { sessions(${args}, filter: $filter) { totalCount nodes { id } } } }`,
        fc.tuple(page, filter, sessionFilter).map(([paged, by, also]) => ({ ...paged, filter: { ...by, ...also } })),
      ],
    ]
    const asked = fc.oneof(...lists.map(([query, variables]) => variables.map((values) => ({ query, values }))))
    await fc.assert(
      fc.asyncProperty(asked, ({ query, values }) => expectForeseen(query, { ...values })),
      { numRuns: 600 },
    )
  }, 120_000)

  it.each(texts.filter((one) => one.length > 30).map((one) => [one.slice(0, 60), one]))(
    'a cursor like %s… is taken or refused',
    async (_shown, after) => {
      for (const list of [
        'users(first: 1, after: $after)',
        'sessions(first: 1, after: $after)',
        'sessions(last: 1, before: $after)',
        'sessions(first: 1, after: $after, orderBy: STARTED_AT_ASC)',
        'checkpoints(first: 1, after: $after)',
        'checkpoints(first: 1, after: $after, orderBy: LAST_CRAWLED_AT_ASC)',
      ]) {
        await expectForeseen(`query ($after: String) { ${list} { nodes { id } } }`, { after })
      }
    },
  )

  it('a read by key answers by an object, null or BAD_USER_INPUT', async () => {
    const queries = [
      'query ($a: String!) { user(userId: $a) { id checkpoints { id } } }',
      'query ($a: String!) { session(sessionId: $a) { id } }',
      'query ($a: String!, $b: String) { checkpoint(userId: $a, stream: $b) { id } }',
      'query ($a: ID!) { node(id: $a) { id ... on User { checkpoints { id } } ... on CrawlSession { checkpoint { id } } } }',
      'query ($a: ID!, $b: ID!) { nodes(ids: [$a, $b]) { id } }',
      'query ($b: String) { user(userId: "alice") { checkpoint(stream: $b) { id } } }',
    ]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...queries), text, text, (query, a, b) => expectForeseen(query, { a, b })),
      { numRuns: 600 },
    )
  }, 120_000)
})
