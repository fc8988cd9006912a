import { getNamedType, isLeafType, isObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { SUMMARY_FIELDS } from '../../../src/crawl/session/model.ts'
import { findSessions } from '../../../src/crawl/session/store.ts'
import { askOf } from '../../support/ask-of.ts'
import { countStatements } from '../../support/statement-count.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const type = schema.getType('CrawlSession')
if (!isObjectType(type)) throw new Error('no type CrawlSession')
/** Each field of a session, with something of what it leads to. */
const FIELDS = Object.values(type.getFields()).map((field) => ({
  name: field.name,
  selection: isLeafType(getNamedType(field.type))
    ? field.name
    : `${field.name} { __typename ${field.name === 'revisions' ? 'nodes { id }' : 'id'} }`,
}))
const ALL = FIELDS.map(({ selection }) => selection).join(' ')
/** As often as an operation runs before it is compiled, and once more. */
const RUNS = 5

type Node = Record<string, unknown>

interface Operation {
  readonly body: string
  readonly variables?: string
  readonly fragments?: string
}

/** Where a selection may stand in an operation on a list. */
const FORMS: Record<string, (list: string, selection: string) => Operation> = {
  'in nodes': (list, selection) => ({ body: `${list} { nodes { ${selection} } }` }),
  'in edges': (list, selection) => ({ body: `${list} { edges { cursor node { ${selection} } } }` }),
  'beside what lists say': (list, selection) => ({
    body: `${list} { totalCount feedCursor pageInfo { hasNextPage startCursor } nodes { ${selection} } }`,
  }),
  'in an inline fragment': (list, selection) => ({
    body: `${list} { nodes { sessionId ... on CrawlSession { ... { ${selection} } } } }`,
  }),
  'in an interface’s fragment': (list, selection) => ({
    body: `${list} { nodes { ... on Node { id ... on CrawlSession { ${selection} } } } }`,
  }),
  'in a fragment of a fragment': (list, selection) => ({
    body: `${list} { ...outer }`,
    fragments: `fragment inner on CrawlSession { ${selection} }
      fragment outer on CrawlSessionConnection { nodes { sessionId } nodes { ...inner ...inner } }`,
  }),
  'of a field that is there twice': (list, selection) => ({
    body: `${list} { nodes { sessionId } } ${list} { nodes { ${selection} } }`,
  }),
  'behind a directive': (list, selection) => ({
    body: `${list} { nodes { sessionId ... @include(if: $yes) { ${selection} } } }`,
    variables: '($yes: Boolean = true)',
  }),
}
const LISTS = {
  'Query.sessions': 'sessions(orderBy: STARTED_AT_ASC)',
  'Query.sessions by completion': 'sessions(orderBy: COMPLETED_AT_DESC)',
  'Query.sessions, merged': 'sessions(orderBy: STARTED_AT_ASC, filter: { status: [RUNNING, FAILED, COMPLETED] })',
  'User.sessions': 'sessions',
  'User.sessions, filtered': 'sessions(filter: { status: [COMPLETED, RUNNING] })',
}

describe('what is read of sessions', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    // No two columns have the same value, and none a default: one that is alive and stalled, one that it carries on.
    await waymark.database.query(`
      INSERT INTO public."user" VALUES ('alice');
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('alice', 'reddit/saved', 't3_a');
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, completed_at, status, bookmarks_processed,
          direct_import, enable_summarization, output_file_path, error_message, epoch, lease_seconds, lease_expires_at, heartbeat_at,
          stop_requested_at, rate_limited_until, worker, end_reason, attempt, resumed_from, commits, first_save_at, last_save_at,
          bookmarks_since_first_save, position_moved_at, api_requests, rate_limit_hits, mode, plan_reason, stop_reason)
        VALUES ('one', 'alice', 'reddit/saved', '2026-01-01', '2026-01-02', 'failed', 3, true, true, '/tmp/out', 'gone', 4, 5, NULL,
          '2026-01-03', '2026-01-04', NULL, 'host', 'LEASE_EXPIRED', 6, NULL, 7, '2026-01-05', '2026-01-06', 80, '2026-01-07', 9, 10,
          'RESUME', 'to go on', 'deployment'),
        ('two', 'alice', 'reddit/saved', '2026-02-01', NULL, 'running', 11, true, true, '/tmp/two', 'slow', 12, 13,
          now() + interval '1 hour', '2026-02-03', '2026-02-04', '2026-02-05', 'pod', NULL, 14, 'one', 15, '2026-02-06', '2026-02-07',
          160, '2026-02-08', 17, 18, 'FULL', 'to begin', 'maintenance')`)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  async function ask(form: string, list: keyof typeof LISTS, selection: string): Promise<Node[]> {
    const write = FORMS[form]
    if (!write) throw new Error(`no form ${form}`)
    const { body, variables = '', fragments = '' } = write(LISTS[list], selection)
    const ofUser = list.startsWith('User.')
    const data = await waymark.ask(
      `query ${variables} { ${ofUser ? `user(userId: "alice") { ${body} }` : body} } ${fragments}`,
    )
    const connection = ofUser ? data['user'].sessions : data['sessions']
    return connection.nodes ?? connection.edges.map(({ node }: { node: Node }) => node)
  }

  it('is told with every field, none of which is empty', async () => {
    const nodes = await ask('in nodes', 'Query.sessions', ALL)
    expect(nodes.map(({ sessionId }) => sessionId)).toEqual(['one', 'two'])
    for (const { name } of FIELDS) expect([name, nodes.some((node) => node[name] != null)]).toEqual([name, true])
    expect(nodes.map(({ stalled }) => stalled)).toEqual([false, true])
  })

  it.each(Object.keys(LISTS).flatMap((list) => Object.keys(FORMS).map((form) => [list, form] as const)))(
    'is for each field alone what it is among all: %s, %s',
    async (list, form) => {
      const whole = await ask('in nodes', list as keyof typeof LISTS, ALL)
      for (const { name, selection } of FIELDS) {
        const nodes = await ask(form, list as keyof typeof LISTS, selection)
        expect(nodes.map((node) => node[name])).toEqual(whole.map((node) => node[name]))
      }
    },
  )

  it('is the same once the operation is compiled', async () => {
    const whole = await ask('in nodes', 'User.sessions', ALL)
    for (const { name, selection } of FIELDS) {
      for (let run = 0; run < RUNS; run += 1) {
        const nodes = await ask('in a fragment of a fragment', 'User.sessions', selection)
        expect(nodes.map((node) => node[name])).toEqual(whole.map((node) => node[name]))
      }
    }
  })

  it('is told whole also by a session of which a summary was read', async () => {
    const told = await askOf(type, { url: waymark.database.url, selection: ALL }, async (database) => {
      const [whole] = await findSessions(database, 'all', ['two'])
      return { whole, summary: Object.fromEntries(SUMMARY_FIELDS.map((field) => [field, whole?.[field]])) }
    })
    expect(told?.['summary']).toEqual(told?.['whole'])
    expect(told?.['summary']).toMatchObject({
      worker: 'pod',
      stalled: true,
      resumedFrom: { __typename: 'CrawlSession' },
    })
  })

  it.each(['Query.sessions', 'User.sessions, filtered', 'User.sessions'] as const)(
    'is a summary where nothing else is asked for: %s',
    async (list) => {
      const textsOf = async (selection: string) => {
        const { statements } = await countStatements(() => ask('in a fragment of a fragment', list, selection))
        return statements.filter((text) => text.includes('crawler.crawl_session s'))
      }
      const [summary, ...others] = await textsOf('id status startedAt platform user { userId } checkpoint { version }')
      expect(summary).not.toMatch(/lease_seconds|worker|position_moved_at|started_at_text/)
      expect(others).toEqual([])
      const [whole] = await textsOf('status worker')
      expect(whole).not.toMatch(/started_at_text/)
      expect(whole).toMatch(/lease_seconds.*worker.*position_moved_at/s)
    },
  )
})
