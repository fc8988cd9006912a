import { expect } from 'vitest'
import type { Attack, Target } from '../attack.ts'
import { openStream } from '../open-stream.ts'
import { rounds } from '../rounds.ts'

/** Kept by the server, each would take 24 MB: the 21st would end it. */
const STREAMS = rounds(300, 12)
/** Parsed at once, more than 20 end it too. */
const AT_ONCE = rounds(60, 12)

/** Nearly 1 MiB of JSON, which takes far more as objects. */
const requestOf = (query: string) => `{"query":"${query}","variables":{"objects":[${'{},'.repeat(348_000)}{}]}}`
const WATCH = 'subscription { checkpointChanged { cursor } }'
const watch = requestOf(WATCH)
const ask = requestOf('{ viewer { subject } }')

/** The attacker may be told that it is too much. */
const REFUSED = /"code":"OVERLOADED"|"code":"RATE_LIMITED"|closed with 1013/

async function inWaves<Result>(send: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  while (results.length < STREAMS) {
    results.push(...(await Promise.all(Array.from({ length: AT_ONCE }, send))))
  }
  return results
}

/** Keeps all of them open at the same time. */
async function keepOpen(way: keyof typeof openStream, { url, insider: authorization }: Target): Promise<void> {
  const streams = await inWaves(() => openStream[way]({ url, authorization, query: WATCH, json: watch }))
  const refused = streams.filter(({ told }) => REFUSED.test(told))
  const wrong = streams.filter(({ told }) => /"errors?"|closed/.test(told) && !REFUSED.test(told))
  await Promise.all(streams.map((stream) => stream.close()))
  expect(wrong.map(({ told }) => told)).toEqual([])
  expect(refused.length).toBeLessThan(STREAMS)
}

export const attack: Attack = {
  title: `operations with 1 MiB of variables that they do not declare, ${AT_ONCE} at once`,
  ways: {
    async HTTP({ url, insider: authorization }) {
      const headers = { 'content-type': 'application/json', authorization }
      const told = await inWaves(async () => (await fetch(url, { method: 'POST', headers, body: ask })).text())
      const refused = told.filter((text) => REFUSED.test(text))
      expect(told.filter((text) => text.includes('"errors"') && !REFUSED.test(text))).toEqual([])
      expect(refused.length).toBeLessThan(STREAMS)
    },
    SSE: (target) => keepOpen('SSE', target),
    WebSocket: (target) => keepOpen('WebSocket', target),
  },
}
