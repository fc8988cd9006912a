import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isFull } from '../faults/rounds.ts'
import { startWaymark, type TestWaymark } from '../support/waymark.ts'
import { BuiltClient } from './conformance/built-client.ts'
import { type Client, PYTHONS, typescriptClient } from './conformance/driver.ts'
import { Plays } from './conformance/plays.ts'
import { answersMet, answersOfSchema, failuresAtEachMoment, failuresMet, hazardsOfDocs } from './conformance/reach.ts'
import { readScripts, validateScript } from './conformance/script.ts'
import { complaintsOf } from './conformance/verdict.ts'

/** CONFORMANCE_SCRIPTS=full-crawl,resume plays only these. */
const only = process.env['CONFORMANCE_SCRIPTS']?.split(',')
const scripts = readScripts().filter(({ file }) => only?.includes(file) ?? true)
const TIMEOUT_MS = 300_000

let waymark: TestWaymark
let built: BuiltClient
beforeAll(async () => {
  waymark = await startWaymark()
  built = await BuiltClient.build()
})
afterAll(async () => {
  await waymark[Symbol.asyncDispose]()
  await built[Symbol.asyncDispose]()
})

const clients: [string, (() => Client)[]][] = [
  ['TypeScript', [() => typescriptClient(built.path)]],
  ...(PYTHONS ? ([['Python', PYTHONS.map((python) => () => python)]] satisfies [string, (() => Client)[]][]) : []),
]

describe.each(clients)('crawl() of %s', (_name, kinds) => {
  // Both clients of Python follow the same rules: each plays half of the scripts, and in test:faults all of them.
  const plays = kinds.map((kind, at) => {
    const own = scripts.filter((_, place) => isFull || only || place % kinds.length === at)
    return new Plays(own, kind, () => waymark)
  })
  afterAll(async () => {
    for (const some of plays) await some[Symbol.asyncDispose]()
  })

  for (const script of scripts) {
    it(`${script.file}: ${script.title}`, { timeout: TIMEOUT_MS }, async () => {
      const all = await Promise.all(plays.flatMap((some) => some.of(script) ?? []))
      expect(all.length).toBeGreaterThan(0)
      for (const played of all)
        expect(complaintsOf(script, played), `${played.client}\n${played.transcript.join('\n')}`).toEqual([])
    })
  }

  describe.skipIf(only)('all scripts together', () => {
    it('meet each answer that a crawl can get', () => {
      const met = answersMet(plays.flatMap(({ played }) => played))
      expect(answersOfSchema().filter((answer) => !met.has(answer))).toEqual([])
    })

    it('meet each failure of the network at each operation', () => {
      const met = failuresMet(plays.flatMap(({ played }) => played))
      expect(failuresAtEachMoment().filter((failure) => !met.has(failure))).toEqual([])
    })
  })
})

if (!PYTHONS)
  describe('crawl() of Python', () => {
    it.skip('is not tried: this machine has no /usr/bin/python3', () => undefined)
  })

describe('the scripts', () => {
  it.skipIf(only)('show each hazard of docs/crawling.md, and no other', () => {
    const shown = new Set(scripts.flatMap(({ hazards = [] }) => hazards))
    expect([...shown].sort()).toEqual(hazardsOfDocs().sort())
  })

  it('are refused by their schema where a member is misspelt or has the wrong type', () => {
    const [{ file: _file, ...script } = expect.fail('there are no scripts')] = scripts
    expect(() => validateScript('one', script)).not.toThrow()
    expect(() => validateScript('one', { ...script, platfrom: {} })).toThrow(/one:.*platfrom/s)
    expect(() => validateScript('one', { ...script, during: [{ fetch: 'two' }] })).toThrow(/fetch/)
    expect(() => validateScript('one', { ...script, crawls: [] })).toThrow(/crawls/)
  })
})
