import { access, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readDocument, root } from './markdown.ts'

const adrs = await readdir(join(root, 'docs/adr'))
const guides = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'))
const results = (await readdir(join(root, 'bench'))).filter((name) => name.endsWith('.md'))
const documents = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'examples/README.md',
  ...guides.map((name) => `docs/${name}`),
  ...adrs.map((name) => `docs/adr/${name}`),
  ...results.map((name) => `bench/${name}`),
]

/** A page without its blocks of code: a line of a shell may begin with #. */
async function readProse(path: string): Promise<string> {
  return (await readDocument(path)).replaceAll(/^```[\s\S]*?^```$/gm, '')
}

/** The anchors that GitHub gives the headings of a page. */
async function headingsOf(path: string): Promise<string[]> {
  return [...(await readProse(path)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

describe('every link', () => {
  it.each(documents)('of %s leads to a file of the checkout', async (path) => {
    const text = await readDocument(path)
    const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target = '']) => target)
    for (const target of targets) await access(join(root, dirname(path), target))
  })

  it.each(documents)('of %s to a heading leads to one', async (path) => {
    const links = [...(await readProse(path)).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)/g)]
    const missing: string[] = []
    for (const [, target = '', heading = ''] of links) {
      const page = target === '' ? path : join(dirname(path), target)
      const isPage = page.endsWith('.md')
      if (isPage && !(await headingsOf(page)).includes(heading)) missing.push(`${target}#${heading}`)
    }
    expect(missing).toEqual([])
  })
})

describe('the decisions', () => {
  it('are numbered without a gap', () => {
    expect(adrs.map((name) => Number(name.slice(0, 4))).sort((a, b) => a - b)).toEqual(
      adrs.map((_, index) => index + 1),
    )
  })
})
