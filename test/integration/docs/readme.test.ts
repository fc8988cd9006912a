import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seed } from '../../../src/cli/seed.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { blocksNamed, readDocument } from './markdown.ts'

const readme = await readDocument('README.md')
const development = await readDocument('docs/development.md')
const manifest = JSON.parse(await readDocument('package.json')) as { scripts: Record<string, string> }

describe('README', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await seed(waymark.database.url)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('prints the answer that its query gets after `npm run seed`', async () => {
    const [query = ''] = blocksNamed(readme, 'graphql', 'query')
    const [answer = ''] = blocksNamed(readme, 'json', 'answer')
    const { status: _, ...body } = await waymark.send(query)
    expect(body).toEqual(JSON.parse(answer))
  })

  it('has a curl command that is answered', async () => {
    const [command = ''] = blocksNamed(readme, 'sh', 'curl')
    const header = /-H '([\w-]+): ([^']+)'/.exec(command)
    const body = /-d '([^']+)'/.exec(command)?.[1]
    const response = await fetch(waymark.url, {
      method: 'POST',
      headers: { [header?.[1] ?? '']: header?.[2] ?? '' },
      body: body ?? '',
    })
    expect(await response.json()).toEqual({ data: { checkpoint: { lastItemId: '2107108321689016154' } } })
  })
})

describe('README and docs/development.md', () => {
  it('name every script that a developer runs, and only scripts that exist', () => {
    const named = [...`${readme}\n${development}`.matchAll(/npm run ([\w:]+)/g)].map(([, script = '']) => script)
    expect(new Set(named)).toEqual(
      new Set([
        'seed',
        'migrate',
        'verify',
        'repair',
        'check',
        'build',
        'package',
        'sbom',
        'schema',
        'schema:sql',
        'client:documents',
        'format',
        'test:faults',
        'bench',
        'bench:feed',
        'bench:prisma',
        'bench:clients',
        'bench:size',
      ]),
    )
    for (const script of [...named, 'start', 'test']) expect(Object.keys(manifest.scripts)).toContain(script)
  })
})
