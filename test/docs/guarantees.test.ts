import { describe, expect, it } from 'vitest'
import { readDocument } from './markdown.ts'

const guide = await readDocument('docs/guarantees.md')
const sections = guide.split(/^## /m).slice(1)
/** Each with its heading, for the titles here. */
const promises = sections
  .filter((section) => !/^(Not promised|What was measured)\n/.test(section))
  .flatMap((section) => section.split(/^- /m).slice(1))
  .map((promise) => promise.trim().replaceAll(/\s+/g, ' '))

describe('docs/guarantees.md', () => {
  it('makes promises', () => {
    expect(promises.length).toBeGreaterThan(20)
  })

  it.each(promises.map((promise) => [promise.slice(0, 60), promise]))(
    'names tests that there are: %s ...',
    async (_, promise) => {
      const named = [...promise.matchAll(/\[[\w-]+\]\(\.\.\/(test\/[^)]+)\): "([^"]+)"/g)]
      expect(named.length).toBeGreaterThan(0)
      for (const [, file = '', title = ''] of named) {
        // A title may be made of parts, `... ${COUNT} ...`, in which case one of them is quoted.
        expect((await readDocument(file)).includes(title), `${file}: ${title}`).toBe(true)
      }
      // Nothing stands behind the last of them: a promise ends with its tests.
      expect(promise.endsWith('"'), promise).toBe(true)
    },
  )
})
