import { afterAll, beforeAll, expect, it } from 'vitest'
import { codeBlocks, patternOf, readDocument, sectionOf } from '../integration/docs/markdown.ts'
import { controlClock } from '../support/clock.ts'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'

const document = await readDocument('docs/crawling.md')
const blocks = codeBlocks(document).filter(({ name }) => name !== '')

let waymark: TestWaymark
beforeAll(async () => {
  waymark = await startWaymark()
})
afterAll(() => waymark[Symbol.asyncDispose]())

it('docs/crawling.md shows a crawl that is answered as it says, from the first page over a crash to the end', async () => {
  const clock = await controlClock(waymark.database)
  const before: Record<string, () => Promise<unknown>> = {
    // The crawler dies.
    resume: async () => {
      await clock.advance(3_600)
      await waymark.database.query('SELECT crawler.reap()')
    },
    end: () => mutate(waymark, 'startSession', { userId: 'grace', sessionId: 'crawl-2' }),
  }
  expect(blocks).toHaveLength(12)
  for (const [place, { language, name, text }] of blocks.entries()) {
    if (language !== 'graphql') continue
    await before[name]?.()
    const answer = await waymark.ask(text, { until: new Date(Date.now() + 60_000) })
    const shown = JSON.parse(blocks[place + 1]?.text ?? '') as Record<string, Record<string, unknown>>
    const told = shown['resumePlan']?.['reason'] as string | undefined
    if (shown['resumePlan']) shown['resumePlan']['reason'] = expect.stringMatching(patternOf(told ?? ''))
    expect(answer).toEqual(shown)
  }
})

it('docs/crawling.md says what to do at each refusal that a crawler can meet', async () => {
  const section = sectionOf(document, 'What to do after a refusal')
  const codes = [...section.matchAll(/^- `([A-Z_]+)`/gm)].map(([, code]) => code)
  const { __type } = await waymark.ask('{ __type(name: "ErrorCode") { enumValues { name } } }')
  const known = (__type.enumValues as { name: string }[]).map(({ name }) => name)
  // Those of a rollback and of a move are an operator's.
  const met = known.filter((code) => !['HISTORY_EXPIRED', 'CHECKPOINT_NOT_FOUND', 'CHECKPOINT_EXISTS'].includes(code))
  expect([...new Set(codes)].sort()).toEqual([...met, 'SERVICE_UNAVAILABLE'].sort())
})
