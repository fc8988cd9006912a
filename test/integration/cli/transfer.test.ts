import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { runCommand } from '../../support/server-process.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'
import { blocksNamed, readDocument } from '../docs/markdown.ts'
import { type Lists, startLists } from '../move/lists.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const program = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
/** More than are read at once. */
const MANY = 1_100
const STATE = `userId stream platform lastItemId lastTweetId lastItemPublishedAt bookmarksCount lastCrawledAt createdAt lastCompletedAt
  pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt }
  pause { until reason pausedBy }`

let source: Lists
let target: TestDatabase
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-transfer-'))
  source = await startLists()
  target = await createTestDatabase('empty')
  const [one, two, three] = [await source.user(), await source.user(), await source.user()]
  for (const userId of [one, two, three]) await source.fillList(userId)
  await source.pause(one, new Date(Date.now() + 300 * 86_400_000).toISOString())
  const sessionId = (await source.run('startSession', { userId: two }))['session'].sessionId as string
  await mutate(source.waymark, 'completeSession', { sessionId })
  await source.run('startSession', { userId: three, mode: 'FULL' })
  await source.run('saveCheckpoint', { userId: one, stream: 'x/MiXed.Case', itemId: 'any — “text” é 🔖\\n' })
  await source.waymark.database.query(
    `INSERT INTO public."user" SELECT 'many-' || n FROM generate_series(1, ${MANY}) n;
     INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id, last_crawled_at)
       SELECT 'many-' || n, '20', now() - n * interval '1 second' FROM generate_series(1, ${MANY}) n`,
  )
})
afterAll(async () => {
  await source[Symbol.asyncDispose]()
  await target[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function listsOf(databaseUrl: string): Promise<Record<string, unknown>[]> {
  const app = await startOn(databaseUrl)
  const lists: Record<string, unknown>[] = []
  try {
    const { ask } = clientOf(app.url)
    for (let after: string | null = null, more = true; more;) {
      const { checkpoints }: Record<string, any> = await ask(
        `query ($after: String) { checkpoints(first: 100, after: $after) { nodes { ${STATE} } pageInfo { hasNextPage endCursor } } }`,
        { after },
      )
      lists.push(...checkpoints.nodes)
      ;({ hasNextPage: more, endCursor: after } = checkpoints.pageInfo)
    }
  } finally {
    await app.close()
  }
  return lists
}
const command = (args: readonly string[], database = target) =>
  runCommand(args, { DATABASE_URL: database.url }, { cwd: folder })

it('export and import, as docs/operations.md has them, fill an empty database with what is exported the same', async () => {
  const [block = ''] = blocksNamed(await readDocument('docs/operations.md'), 'sh', 'transfer')
  const env = { ...process.env, DATABASE_URL: source.waymark.database.url, TARGET_URL: target.url }
  const text = block.replaceAll('npm start --', `${process.execPath} ${program}`)
  const { stdout } = await promisify(execFile)('sh', ['-ec', text], { cwd: folder, env })
  expect(stdout).toBe(
    `exported ${MANY + 4} lists to lists.ndjson\nimported ${MANY + 4} new lists, and 0 over those that were there\n`,
  )
  const before = await listsOf(source.waymark.database.url)
  expect(before).toHaveLength(MANY + 4)
  expect(before).toContainEqual(expect.objectContaining({ pause: expect.objectContaining({ reason: 'a rest' }) }))
  expect(await listsOf(target.url)).toEqual(before)
  expect(await command(['export', 'again.ndjson'])).toMatchObject({ code: 0, stderr: '' })
  expect(await readFile(join(folder, 'again.ndjson'), 'utf8')).toBe(
    await readFile(join(folder, 'lists.ndjson'), 'utf8'),
  )
  // Once more: nothing changes.
  const versions = () => target.query('SELECT sum(version) AS versions FROM crawler.crawl_state')
  const first = await versions()
  expect(await command(['import', 'lists.ndjson'])).toMatchObject({
    code: 0,
    stdout: `imported 0 new lists, and ${MANY + 4} over those that were there\n`,
  })
  expect(await versions()).toEqual(first)
})

it('import names each line that is refused, writes the others, and exits 1', async () => {
  const state = { lastItemId: '20', bookmarksCount: 1, lastCrawledAt: '2026-01-01T00:00:00Z' }
  const lists = { headItemIds: [], anchorItemIds: [], complete: true, stream: 'twitter/bookmarks' }
  const lines = [
    JSON.stringify({ ...state, ...lists, userId: 'good-1' }),
    'no JSON',
    JSON.stringify({ ...state, ...lists, userId: 'bad', lastItemId: 'x' }),
    '',
    JSON.stringify({ ...state, ...lists, userId: 'bad', surprise: 1 }),
    JSON.stringify({ ...state, ...lists, userId: 'bad', lastCrawledAt: 'yesterday' }),
    JSON.stringify({ ...state, ...lists, userId: 'good-2' }),
  ]
  await writeFile(join(folder, 'some.ndjson'), lines.join('\n'))
  const { code, stdout } = await command(['import', 'some.ndjson'])
  expect(code).toBe(1)
  expect(stdout.split('\n')).toEqual([
    'line 2 was refused: it is not JSON',
    expect.stringMatching(/^line 5 was refused: .*surprise/),
    expect.stringMatching(/^line 6 was refused: lastCrawledAt /),
    expect.stringMatching(/^line 3 was refused: lastItemId is no tweet ID/),
    'imported 2 new lists, and 0 over those that were there',
    '4 lists were refused; mend them, and import the file again',
    '',
  ])
  expect(await target.query(`SELECT id FROM public."user" WHERE id LIKE 'good-%' OR id = 'bad' ORDER BY 1`)).toEqual([
    { id: 'good-1' },
    { id: 'good-2' },
  ])
})

it.each([
  [['import', 'nowhere.ndjson'], 'waymark: Cannot read nowhere.ndjson: name a file that "export" wrote.\n'],
  [
    ['export', '/nowhere/x'],
    'waymark: Cannot write /nowhere/x: name a file in a folder that this user may write to.\n',
  ],
  [['export'], 'waymark: send export <file>.\n'],
])('%j is refused in one line, with exit code 2', async (args, stderr) => {
  expect(await command(args)).toEqual({ code: 2, stdout: '', stderr })
})
