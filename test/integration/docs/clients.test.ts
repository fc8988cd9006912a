import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { documentedFiles } from '../../clients/documented-project.ts'
import { readDocument, root } from './markdown.ts'

/** What a program of the packages reads by itself, and what another block imports. */
const READ_BY_OTHERS = ['relay.config.json', 'apollo-cache.ts']

const tests = (await readdir(join(root, 'test/clients'))).filter((name) => name.endsWith('.ts'))
const sources = await Promise.all(tests.map((name) => readDocument(`test/clients/${name}`)))

describe('docs/clients.md', () => {
  it('shows the files of the clients, each under a name of its own', () => {
    const names = documentedFiles.map(({ name }) => name)
    expect(names.length).toBeGreaterThan(15)
    expect(new Set(names).size).toBe(names.length)
    expect(names).not.toContain('')
  })

  it.each(documentedFiles.filter(({ name }) => !READ_BY_OTHERS.includes(name)))(
    'shows $name, which test/clients runs',
    ({ name }) => {
      expect(sources.filter((source) => source.includes(`'${name}'`)).length).toBeGreaterThan(0)
    },
  )

  it.each(documentedFiles)('keeps $name short', ({ text }) => {
    expect(text.split('\n').length).toBeLessThanOrEqual(16)
  })
})
