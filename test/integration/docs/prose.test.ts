import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readDocument, root } from './markdown.ts'
import { filesEndingIn, longCommentsOf, longLinesOf } from './prose.ts'

const pages = await filesEndingIn('.md')
const sources = (await filesEndingIn('.ts')).filter((path) => path.startsWith('src/'))
const adrs = (await readdir(join(root, 'docs/adr'))).map((name) => `docs/adr/${name}`)

describe('every page', () => {
  it.each(pages)('has no line above 120 columns: %s', async (path) => {
    expect(longLinesOf(await readDocument(path))).toEqual([])
  })

  it('of docs/ is in its index', async () => {
    const index = await readDocument('docs/README.md')
    const linked = [...index.matchAll(/\]\(([^)#]+\.md)/g)].map(([, target = '']) => join('docs', target))
    const own = pages.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md')
    expect(own.filter((path) => !linked.includes(path))).toEqual([])
  })
})

describe('README.md', () => {
  it('has at most 900 words', async () => {
    expect((await readDocument('README.md')).split(/\s+/).length).toBeLessThanOrEqual(900)
  })
})

describe('every decision', () => {
  it.each(adrs)('says whether it holds: %s', async (path) => {
    const [title, , status] = (await readDocument(path)).split('\n')
    expect(title).toMatch(/^# \d+\. /)
    expect(status).toMatch(/^Status: (Accepted\.|Superseded by \[\d{4}\]\([\w-]+\.md\) on \d{4}-\d\d-\d\d\.)$/)
  })
})

describe('every comment in src/', () => {
  it('ends before column 120', async () => {
    const long: string[] = []
    for (const path of sources) {
      for (const line of longCommentsOf(path, await readDocument(path))) long.push(`${path}: ${line.trim()}`)
    }
    expect(long).toEqual([])
  })
})

describe('the search for long lines', () => {
  const long = 'word '.repeat(30).trim()
  const address = `https://example.org/${'x'.repeat(120)}`

  it('finds prose, lists and tables', () => {
    expect(longLinesOf(`${long}\n- ${long}\n| ${long} |\n${'x'.repeat(120)}`)).toEqual([
      long,
      `- ${long}`,
      `| ${long} |`,
    ])
  })

  it('leaves out code blocks and addresses', () => {
    expect(longLinesOf(`\`\`\`text\n${long}\n\`\`\`\n[name]: ${address}\n- ${address}`)).toEqual([])
    expect(longLinesOf(`\`\`\`text\n\`\`\`\n${long}`)).toEqual([long])
  })

  it('finds comments of each form, and no code', () => {
    const block = `/**\n * ${long}\n */`
    const after = `const a = 1 // ${long}`
    const text = `${block}\nfunction f() {\n  // ${long}\n  return '${long}'\n}\n${after}\n// ${address}\n`
    expect(longCommentsOf('f.ts', text)).toEqual([` * ${long}`, `  // ${long}`, after])
  })
})
