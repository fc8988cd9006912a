import { getNamedType, type GraphQLField, type GraphQLObjectType, isLeafType, isObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { findCheckpoints, findLiteralCheckpoints } from '../../../src/crawl/checkpoint/store.ts'
import { askOf } from '../../support/ask-of.ts'
import { countStatements } from '../../support/statement-count.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const type = schema.getType('Checkpoint')
if (!isObjectType(type)) throw new Error('no type Checkpoint')
const fieldsOf = (field: GraphQLField<unknown, unknown>) => (getNamedType(field.type) as GraphQLObjectType).getFields()
/** Each field of a checkpoint, with something of what it leads to. */
const FIELDS = Object.values(type.getFields()).map((field) => ({
  name: field.name,
  selection: isLeafType(getNamedType(field.type))
    ? field.name
    : `${field.name} { __typename ${'id' in fieldsOf(field) ? 'id' : ''} }`,
}))
const ALL = FIELDS.map(({ selection }) => selection).join(' ')
/** As often as an operation runs before it is compiled, and once more. */
const RUNS = 5

type Found = Record<string, unknown>

/** A field whose type is a checkpoint or a list of them: `parent` is what has it, `around` the operation that leads there. */
interface Place {
  readonly parent: string
  readonly field: string
  readonly around: (selection: string) => string
}

const PLACES = {
  'Query.checkpoint': {
    parent: 'Query',
    field: 'checkpoint(userId: "alice")',
    around: (selection) => selection,
  },
  'CrawlSession.checkpoint': {
    parent: 'CrawlSession',
    field: 'checkpoint',
    around: (selection) => `session(sessionId: "live") { ${selection} }`,
  },
  'CrawlSession.checkpoint, of a list': {
    parent: 'CrawlSession',
    field: 'checkpoint',
    around: (selection) => `user(userId: "alice") { sessions { nodes { ${selection} } } }`,
  },
  'User.checkpoint': {
    parent: 'User',
    field: 'checkpoint',
    around: (selection) => `user(userId: "alice") { ${selection} }`,
  },
  'User.checkpoints': {
    parent: 'User',
    field: 'checkpoints',
    around: (selection) => `user(userId: "alice") { ${selection} }`,
  },
  'Query.checkpoints': {
    parent: 'CheckpointConnection',
    field: 'nodes',
    around: (selection) => `checkpoints { totalCount feedCursor pageInfo { hasNextPage startCursor } ${selection} }`,
  },
  'Query.checkpoints, by edges': {
    parent: 'CheckpointEdge',
    field: 'node',
    around: (selection) => `checkpoints(orderBy: LAST_CRAWLED_AT_ASC) { edges { cursor ${selection} } }`,
  },
} satisfies Record<string, Place>
type PlaceName = keyof typeof PLACES

interface Operation {
  readonly body: string
  readonly variables?: string
  readonly fragments?: string
}

/** Where a selection may stand in the field; what it selects is answered as `found`. */
const FORMS: Record<string, (place: Place, selection: string) => Operation> = {
  alone: ({ field }, selection) => ({ body: `found: ${field} { ${selection} }` }),
  'in an inline fragment': ({ field }, selection) => ({
    body: `found: ${field} { userId ... on Checkpoint { ... { ${selection} } } }`,
  }),
  'in an interface’s fragment': ({ field }, selection) => ({
    body: `found: ${field} { ... on Node { id ... on Checkpoint { ${selection} } } }`,
  }),
  'in a fragment of a fragment': ({ field, parent }, selection) => ({
    body: '...outer',
    fragments: `fragment inner on Checkpoint { ${selection} }
      fragment outer on ${parent} { found: ${field} { stream } found: ${field} { ...inner ...inner } }`,
  }),
  'behind a directive': ({ field }, selection) => ({
    body: `found: ${field} { userId ... @include(if: $yes) { ${selection} } }`,
    variables: '($yes: Boolean = true)',
  }),
  'beside the same read for less': ({ field }, selection) => ({
    body: `less: ${field} { lastItemId } found: ${field} { ${selection} }`,
  }),
}

describe('what is read of checkpoints', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    // No two columns have the same value, and none a default.
    await waymark.database.query(`
      INSERT INTO public."user" VALUES ('alice');
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, status, epoch, lease_seconds, lease_expires_at)
        VALUES ('live', 'alice', 'twitter/bookmarks', '2026-02-01', 'running', 7, 600, now() + interval '1 hour');
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count, created_at, updated_at)
        VALUES ('alice', 'twitter/bookmarks', '1820000000000000000', '2026-01-02', 3, '2026-01-01', '2026-01-03');
      INSERT INTO crawler.crawl_pause VALUES ('alice', 'twitter/bookmarks', now() + interval '1 hour', 'a reason', 'local');
      WITH head AS (INSERT INTO crawler.item_list (user_id, item_ids) VALUES ('ann', '{1820000000000000003}') RETURNING list_id),
        anchor AS (INSERT INTO crawler.item_list (user_id, item_ids) VALUES ('ann', '{1820000000000000001}') RETURNING list_id)
        UPDATE crawler.crawl_state st SET version = 5, epoch = 7, written_epoch = 6, owner_session_id = 'live', page_token = 'page-2',
          head_list_id = head.list_id, anchor_list_id = anchor.list_id, complete = true,
          full_pass = true, full_pass_has_item = true, last_completed_at = '2026-01-04', catch_up_started_at = '2026-01-05' FROM head, anchor WHERE st.user_id = 'alice'`)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  async function ask(form: string, name: PlaceName, selection: string): Promise<Found> {
    const write = FORMS[form]
    if (!write) throw new Error(`no form ${form}`)
    const place = PLACES[name]
    const { body, variables = '', fragments = '' } = write(place, selection)
    const data = await waymark.ask(`query ${variables} { ${place.around(body)} } ${fragments}`)
    const [found, ...others] = foundIn(data)
    if (!found || others.length > 0) throw new Error(`not one checkpoint: ${JSON.stringify(data)}`)
    return found
  }

  it('is told with every field, none of which is empty', async () => {
    const whole = await ask('alone', 'Query.checkpoint', ALL)
    for (const { name } of FIELDS) expect([name, whole[name]]).not.toEqual([name, null])
    expect(whole).toMatchObject({
      ...{ version: 5, epoch: 6, pageToken: 'page-2', complete: true, liveSession: { __typename: 'CrawlSession' } },
      ...{ headItemIds: ['1820000000000000003'], anchorItemIds: ['1820000000000000001'] },
    })
  })

  it.each(Object.keys(PLACES).flatMap((name) => Object.keys(FORMS).map((form) => [name as PlaceName, form] as const)))(
    'is for each field alone what it is among all: %s, %s',
    async (name, form) => {
      const whole = await ask('alone', 'Query.checkpoint', ALL)
      for (const { name: field, selection } of FIELDS) {
        expect([field, (await ask(form, name, selection))[field]]).toEqual([field, whole[field]])
      }
    },
  )

  it.each(Object.keys(PLACES) as PlaceName[])(
    'is known by its name in the schema, not by the one that the answer gives it: %s',
    async (name) => {
      const whole = await ask('alone', 'Query.checkpoint', ALL)
      for (const { name: field, selection } of FIELDS) {
        expect([field, (await ask('alone', name, `lastItemId: ${selection}`))['lastItemId']]).toEqual([
          field,
          whole[field],
        ])
      }
    },
  )

  it('is the same once the operation is compiled', async () => {
    const whole = await ask('alone', 'Query.checkpoint', ALL)
    for (const { name: field, selection } of FIELDS) {
      for (let run = 0; run < RUNS; run += 1) {
        const found = await ask('in a fragment of a fragment', 'CrawlSession.checkpoint, of a list', selection)
        expect([field, found[field]]).toEqual([field, whole[field]])
      }
    }
  })

  it('is told whole also by a checkpoint that was read without crawl_state', async () => {
    const told = await askOf(type, { url: waymark.database.url, selection: ALL }, async (database) => {
      const key = { userId: 'alice', stream: 'twitter/bookmarks' }
      const [whole] = await findCheckpoints(database, 'all', [key])
      const [literal] = await findLiteralCheckpoints(database, 'all', [key])
      expect(literal).not.toHaveProperty('state')
      return { whole, literal }
    })
    expect(told?.['literal']).toEqual(told?.['whole'])
    expect(told?.['literal']).toMatchObject({
      version: 5,
      pageToken: 'page-2',
      liveSession: { __typename: 'CrawlSession' },
    })
  })

  it('is read by Prisma with crawl_state, in one statement with the user: User.checkpoints of a list', async () => {
    const ask = () => waymark.ask('{ users { nodes { userId checkpoints { lastItemId version } } } }')
    const { statements } = await countStatements(ask)
    expect(statements).toEqual([expect.stringMatching(/"public"\."user".*LATERAL.*crawl_checkpoint.*crawl_state/s)])
  })

  it.each(Object.keys(PLACES).filter((name) => name !== 'User.checkpoints') as PlaceName[])(
    'is without crawl_state where nothing of it is asked for: %s',
    async (name) => {
      const textsOf = async (selection: string) => {
        const { statements } = await countStatements(() => ask('in a fragment of a fragment', name, selection))
        return statements.filter((text) => text.includes('crawl_checkpoint c') && !text.includes('count(*)'))
      }
      const literal =
        'id __typename platform lastTweetId lastItemPublishedAt lastCrawledAt bookmarksCount createdAt updatedAt'
      const [plain, ...others] = await textsOf(`${literal} user { userId checkpoint { version } }`)
      expect(plain).not.toMatch(/crawl_state/)
      // Of the user's checkpoint, which is asked for apart.
      expect(others.map((text) => text.includes('crawl_state'))).toEqual([true])
      const [whole, ...more] = await textsOf('lastItemId version')
      expect(whole).toMatch(/crawl_state/)
      expect(more).toEqual([])
    },
  )
})

/** What is called `found`, wherever in an answer. */
function foundIn(value: unknown): Found[] {
  if (Array.isArray(value)) return value.flatMap(foundIn)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, below]) => (key === 'found' ? [below].flat() : foundIn(below)))
}
