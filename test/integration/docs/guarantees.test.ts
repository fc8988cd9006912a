import { describe, expect, it } from 'vitest'
import { citationsIn, findSkipped, findUnheld, type TestOutcome, titlesIn } from './cited-tests.ts'
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

  // Whether they ran and passed only a whole run can say: cited-tests-reporter.ts does, at the end of `npm test`.
  it.each(promises.map((promise) => [promise.slice(0, 60), promise]))(
    'cites titles of tests that there are, and ends with them: %s ...',
    async (_, promise) => {
      const cited = citationsIn(promise)
      expect(cited.length).toBeGreaterThan(0)
      for (const { file, title } of cited) {
        const titles = titlesIn(await readDocument(file))
        expect(
          titles.some((text) => text.includes(title)),
          `${file}: ${title}`,
        ).toBe(true)
      }
      expect(promise.endsWith('"'), promise).toBe(true)
    },
  )
})

describe('a citation', () => {
  const markdown = `- **Soon.** Within 2 s.
  - [soon](../test/a/soon.test.ts): "is there\n    within 2 s", "over %s"
  - [far](../test/b/far.test.ts): "is told"`
  const citations = citationsIn(markdown)
  const outcome = (file: string, title: string, state: TestOutcome['state'], note?: string): TestOutcome => ({
    ...{ file, titles: ['a suite', title], state, note },
  })
  const passed = [
    outcome('test/a/soon.test.ts', 'is there within 2 s, always', 'passed'),
    outcome('test/a/soon.test.ts', 'and over SSE', 'passed'),
    outcome('test/a/soon.test.ts', 'and over WebSocket', 'passed'),
    outcome('test/b/far.test.ts', 'is told', 'passed'),
  ]
  const but = (place: number, ...instead: TestOutcome[]) => passed.toSpliced(place, 1, ...instead)

  it('is a file and a part of a title, over several lines', () => {
    expect(citations).toEqual([
      { file: 'test/a/soon.test.ts', title: 'is there within 2 s' },
      { file: 'test/a/soon.test.ts', title: 'over %s' },
      { file: 'test/b/far.test.ts', title: 'is told' },
    ])
  })

  it('is held where each test that it means ran and passed', () => {
    expect(findUnheld(citations, passed)).toEqual([])
  })

  it.each<[string, readonly TestOutcome[], RegExp]>([
    ['did not run', but(3), /^test\/b\/far\.test\.ts: "is told" did not run/],
    ['has another title', but(0, outcome('test/a/soon.test.ts', 'is there within 15 s', 'passed')), /2 s" did not run/],
    ['ran in another file', but(3, outcome('test/c/far.test.ts', 'is told', 'passed')), /"is told" did not run/],
    ['failed', but(3, outcome('test/b/far.test.ts', 'is told', 'failed')), /"is told" did not pass/],
    [
      'failed for one of its values',
      but(2, outcome('test/a/soon.test.ts', 'and over WebSocket', 'failed')),
      /"over %s" did not pass/,
    ],
    ['never ended', but(3, outcome('test/b/far.test.ts', 'is told', 'pending')), /"is told" did not pass/],
    [
      'was skipped, and nothing says why',
      but(3, outcome('test/b/far.test.ts', 'is told', 'skipped')),
      /without a reason/,
    ],
  ])('is not where a test %s', (_, outcomes, reason) => {
    expect(findUnheld(citations, outcomes)).toEqual([expect.stringMatching(reason)])
  })

  it.each<[string, TestOutcome]>([
    ['its title', outcome('test/b/far.test.ts', 'is told (needs Linux)', 'skipped')],
    ['its note', outcome('test/b/far.test.ts', 'is told', 'skipped', 'needs Linux')],
  ])('may be skipped where %s says why, which is told', (_, skipped) => {
    expect(findUnheld(citations, but(3, skipped))).toEqual([])
    expect(findSkipped(citations, but(3, skipped))).toEqual(['test/b/far.test.ts: "is told": needs Linux'])
  })

  it('is looked for in titles only, not in comments, other texts, or tests that are skipped for good', () => {
    const source = `
      // it('in a comment')
      const text = 'it("in a text")'
      describe(\`a suite of \${COUNT}\`, () => {
        it('in a test', () => {})
        it.each([1])('of a value %s', () => {})
        it.runIf(isLinux)(\`of \${COUNT} parts\`, { timeout: 1 }, () => {})
        it.skip('skipped', () => {})
        describe.todo('to do')
      })`
    expect(titlesIn(source)).toEqual(['a suite of ', '', 'in a test', 'of a value %s', 'of ', ' parts'])
  })
})
