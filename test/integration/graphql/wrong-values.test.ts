import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { transports } from '../http/transports.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

let waymark: TestWaymark
beforeAll(async () => {
  waymark = await startWaymark()
})
afterAll(() => waymark[Symbol.asyncDispose]())

describe.each(Object.entries(transports))('over %s', (_, ask) => {
  it.each<[string, string, Record<string, unknown>?]>([
    ['@skip', 'subscription { checkpointChanged @skip(if: true) { cursor } }'],
    ['@skip that leaves it', 'subscription { checkpointChanged @skip(if: false) { cursor } }'],
    ['@include', 'subscription { sessionStatusChanged @include(if: false) { cursor } }'],
    ['a variable', 'subscription ($no: Boolean!) { checkpointChanged @include(if: $no) { cursor } }', { no: false }],
    ['a default', 'subscription ($yes: Boolean = true) { checkpointChanged @skip(if: $yes) { cursor } }'],
    ['a variable that is missing', 'subscription ($no: Boolean!) { checkpointChanged @include(if: $no) { cursor } }'],
    ['an inline fragment', 'subscription { ... @skip(if: true) { checkpointChanged { cursor } } }'],
    ['a typed one', 'subscription { ... on Subscription @include(if: false) { checkpointChanged { cursor } } }'],
    ['a spread', 'subscription { ...F @skip(if: true) } fragment F on Subscription { checkpointChanged { cursor } }'],
    [
      'a field in a fragment of a fragment',
      'subscription { ...A } fragment A on Subscription { ...B } fragment B on Subscription { checkpointChanged @skip(if: true) { cursor } }',
    ],
    [
      'fragments in a circle',
      'subscription { ...A } fragment A on Subscription { ...B @skip(if: true) } fragment B on Subscription { ...A }',
    ],
  ])('a subscription whose root has %s is BAD_USER_INPUT, and names the rule', async (_what, query, variables) => {
    const { data, errors } = await ask(waymark.url, query, variables)
    expect(data).toBeUndefined()
    expect(errors).toMatchObject([
      { message: expect.stringMatching(/Single Root Field rule/) as string, extensions: { code: 'BAD_USER_INPUT' } },
    ])
  })

  const rfc3339 = /RFC 3339 .*"2026-11-24T07:33:00Z"/
  it.each<[string, string, Record<string, unknown>?]>([
    ['a literal', '{ sessions(filter: { startedAfter: "yesterday" }) { totalCount } }'],
    ['a date', '{ sessions(filter: { startedAfter: "2026-11-24" }) { totalCount } }'],
    ['a time without an offset', '{ sessions(filter: { startedAfter: "2026-11-24T07:33:00" }) { totalCount } }'],
    ['a number', '{ sessions(filter: { startedAfter: 1795000000 }) { totalCount } }'],
    ['an enum value', '{ sessions(filter: { startedAfter: NOW }) { totalCount } }'],
    ['a list', '{ sessions(filter: { startedAfter: ["2026-11-24T07:33:00Z", "x"] }) { totalCount } }'],
    ['a day that there is not', '{ checkpoints(filter: { crawledBefore: "2026-02-30T00:00:00Z" }) { totalCount } }'],
    ['a default', 'query ($t: DateTime = "x") { sessions(filter: { startedAfter: $t }) { totalCount } }'],
    [
      'a default in an object',
      'query ($f: CrawlSessionFilter = { startedAfter: "x" }) { sessions(filter: $f) { totalCount } }',
    ],
    ['a variable', 'query ($t: DateTime) { sessions(filter: { startedAfter: $t }) { totalCount } }', { t: 's3cret' }],
    [
      'a variable that is a number',
      'query ($t: DateTime) { sessions(filter: { startedAfter: $t }) { totalCount } }',
      { t: 5 },
    ],
    [
      'a variable that is an object',
      'query ($t: DateTime) { sessions(filter: { startedAfter: $t }) { totalCount } }',
      { t: {} },
    ],
    [
      'a value in a variable',
      'query ($f: CrawlSessionFilter) { sessions(filter: $f) { totalCount } }',
      { f: { completedBefore: 's3cret' } },
    ],
    [
      'an input',
      'mutation ($i: RollbackCheckpointInput!) { rollbackCheckpoint(input: $i) { __typename } }',
      { i: { userId: 'a', stream: 'twitter/bookmarks', toTime: 's3cret' } },
    ],
  ])('a DateTime that is %s is told what it should be', async (_what, query, variables) => {
    const { errors = [] } = await ask(waymark.url, query, variables)
    expect(errors.map(({ message }) => message).join('\n')).toMatch(rfc3339)
    expect(errors.map(({ extensions }) => extensions['code'])).toEqual(errors.map(() => 'BAD_USER_INPUT'))
    expect(JSON.stringify(errors)).not.toContain('s3cret')
  })

  const bad = 'Jos\ufffd'
  it.each<[string, Record<string, unknown>]>([
    ['registerUser', { userId: bad }],
    ['saveCheckpoint', { userId: bad, itemId: '1' }],
    ['saveCheckpoint', { userId: 'a', stream: bad, itemId: '1' }],
    ['saveCheckpoint', { userId: 'a', stream: 'forum/posts', itemId: bad }],
    ['saveCheckpoint', { userId: 'a', itemId: '1', sessionId: bad }],
    ['saveCheckpoint', { userId: 'a', itemId: '1', idempotencyKey: bad }],
    ['startSession', { userId: bad }],
    ['startSession', { userId: 'a', sessionId: bad }],
    ['startSession', { userId: 'a', worker: bad }],
    ['startSession', { userId: 'a', idempotencyKey: bad }],
    ['heartbeat', { sessionId: bad }],
    ['completeSession', { sessionId: bad, bookmarksProcessed: 1 }],
    ['clearCheckpoint', { userId: bad }],
  ])('%s with %j is INVALID_INPUT', async (mutation, input) => {
    const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`
    const query = `mutation ($input: ${type}!) { result: ${mutation}(input: $input) { __typename ... on UserError { code } ... on InvalidInputError { issues { message } } } }`
    const { data, errors } = await ask(waymark.url, query, { input })
    expect(errors).toBeUndefined()
    expect(data?.['result']).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
  })

  it.each([
    '{ user(userId: $bad) { id } }',
    '{ checkpoint(userId: $bad) { id } }',
    '{ session(sessionId: $bad) { id } }',
    '{ sessions(filter: { userId: $bad }) { totalCount } }',
    '{ checkpoints(filter: { userId: $bad }) { totalCount } }',
    '{ checkpointHistory(userId: $bad) { totalCount } }',
    '{ resumePlan(userId: $bad) { mode } }',
  ])('%s is BAD_USER_INPUT where it has U+FFFD', async (selection) => {
    const { errors } = await ask(waymark.url, `query ($bad: String!) ${selection}`, { bad })
    expect(errors).toMatchObject([
      { message: expect.stringContaining('U+FFFD') as string, extensions: { code: 'BAD_USER_INPUT' } },
    ])
  })
})
