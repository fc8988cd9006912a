import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { seed } from '../../src/seed.ts'
import { startWaymark, type TestWaymark } from '../support/waymark.ts'
import { codeBlocks, readDocument, sectionOf, tableRows } from './markdown.ts'

const readme = await readDocument('README.md')
const blocks = codeBlocks(readme)
const manifest = JSON.parse(await readDocument('package.json')) as { scripts: Record<string, string> }

function blocksNamed(language: string, name: string): string[] {
  const found = blocks.filter((block) => block.language === language && block.name === name).map(({ text }) => text)
  if (found.length === 0) throw new Error(`README.md has no block "${language} ${name}"`)
  return found
}

function unquote(cell: string): string {
  return cell.replaceAll('`', '')
}

describe('README', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await seed(waymark.database.url)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('prints the answer that its query gets after `npm run seed`', async () => {
    const [query = ''] = blocksNamed('graphql', 'query')
    const [answer = ''] = blocksNamed('json', 'answer')
    const { status: _, ...body } = await waymark.send(query)
    expect(body).toEqual(JSON.parse(answer))
  })

  it('has a curl command that is answered', async () => {
    const [command = ''] = blocksNamed('sh', 'curl')
    const header = /-H '([\w-]+): ([^']+)'/.exec(command)
    const body = /-d '([^']+)'/.exec(command)?.[1]
    const response = await fetch(waymark.url, {
      method: 'POST',
      headers: { [header?.[1] ?? '']: header?.[2] ?? '' },
      body: body ?? '',
    })
    expect(await response.json()).toEqual({ data: { checkpoint: { lastItemId: '2107108321689016154' } } })
  })

  it('shows a crawler’s loop that runs as it stands', async () => {
    const results: unknown[] = []
    for (const operation of blocksNamed('graphql', 'loop')) {
      results.push(...Object.values(await waymark.ask(operation)))
    }
    expect(results).toEqual([
      { __typename: 'RegisterUserSuccess' },
      {
        __typename: 'StartSessionSuccess',
        session: { sessionId: 'run-1' },
        plan: {
          mode: 'FULL',
          afterItemId: null,
          pageToken: null,
          untilItemIds: [],
          reason: expect.stringContaining('from the top to the end') as string,
        },
      },
      {
        __typename: 'SaveCheckpointSuccess',
        stopRequested: false,
        checkpoint: { lastItemId: '1868123456789012480', bookmarksCount: 100 },
        session: { status: 'RUNNING' },
      },
      { __typename: 'HeartbeatSuccess' },
      {
        __typename: 'EndSessionSuccess',
        session: { status: 'COMPLETED', completedAt: expect.any(String) as string },
      },
    ])
  })

  it('is right that two members with a session need an alias', async () => {
    const save = blocksNamed('graphql', 'loop').find((operation) => operation.includes('closed: session')) ?? ''
    const { message } = await waymark.fail(save.replace('closed: session', 'session'))
    expect(message).toMatch(/^Fields "session" conflict/)
  })

  it('answers each call of the Python CheckpointManager', async () => {
    const results: unknown[] = []
    for (const operation of blocksNamed('graphql', 'python')) {
      results.push(...Object.values(await waymark.ask(operation)))
    }
    expect(results).toEqual([
      expect.objectContaining({ lastTweetId: '2107472788858387122', bookmarksCount: 612 }),
      { created: false, checkpoint: { lastTweetId: '2107472788858387122', bookmarksCount: 613 } },
      { lastTweetId: '2107472788858387122', bookmarksCount: 613 },
      { cleared: true, lastItemId: '2107472788858387122' },
    ])
  })

  it('lists every setting with its default', async () => {
    const source = await readDocument('src/config.ts')
    const [schema = ''] = /z\.object\(\{[\s\S]*?^\}\)/m.exec(source) ?? []
    const names = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name = '']) => name)
    const rows = tableRows(readme, 'Settings').map((row) => row.map(unquote))
    expect(rows.map(([name]) => name).sort()).toEqual(names.sort())

    const defaults = new Map<string, unknown>(Object.entries(readConfig({})))
    for (const [name = '', unit, documented] of rows) {
      const field = name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      if (name.endsWith('_MS')) expect(unit, name).toBe('ms')
      // Where the server chooses itself.
      if (name === 'DATA_DIR') expect(defaults.get(field), name).toBeUndefined()
      else expect(asSetting(defaults.get(field)), name).toBe(documented)
    }
  })

  it('gives the ranges that the settings have', () => {
    for (const [name = '', , , meaning = ''] of tableRows(readme, 'Settings').map((row) => row.map(unquote))) {
      const range = /(\d+) to (\d+)$/.exec(meaning)
      if (!range) continue
      const [lowest, highest] = [Number(range[1]), Number(range[2])]
      for (const good of [lowest, highest]) expect(() => readConfig({ [name]: String(good) }), name).not.toThrow()
      for (const bad of [lowest - 1, highest + 1]) expect(() => readConfig({ [name]: String(bad) }), name).toThrow(name)
    }
  })

  it('names for each guarantee a test that is there', async () => {
    const promises = sectionOf(readme, 'Guarantees').split(/^- /m).slice(1)
    expect(promises.length).toBeGreaterThan(8)
    for (const promise of promises) {
      const [, file = '', title = ''] = /\]\(([^)]+)\):\s"([^"]+)"\s*$/.exec(promise) ?? []
      expect(await readDocument(file), promise).toContain(title.replaceAll(/\s+/g, ' '))
    }
  })

  it('names only scripts that there are', () => {
    const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script)
    expect(new Set(named)).toEqual(
      new Set([
        'seed',
        'migrate',
        'verify',
        'check',
        'build',
        'sbom',
        'schema',
        'format',
        'test:faults',
        'bench',
        'bench:feed',
      ]),
    )
    for (const script of [...named, 'start', 'test']) expect(Object.keys(manifest.scripts)).toContain(script)
  })
})

function asSetting(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (Array.isArray(value)) return value.join(',') || 'none'
  return typeof value === 'string' || typeof value === 'number' ? String(value) : 'none'
}
