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
  'examples/README.md',
  ...guides.map((name) => `docs/${name}`),
  ...adrs.map((name) => `docs/adr/${name}`),
  ...results.map((name) => `bench/${name}`),
]

describe('every link', () => {
  it.each(documents)('of %s leads to a file of the checkout', async (path) => {
    const text = await readDocument(path)
    const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target = '']) => target)
    for (const target of targets) await access(join(root, dirname(path), target))
  })
})

describe('the decisions', () => {
  it('are numbered without a gap', () => {
    expect(adrs.map((name) => Number(name.slice(0, 4))).sort((a, b) => a - b)).toEqual(
      adrs.map((_, index) => index + 1),
    )
  })
})
