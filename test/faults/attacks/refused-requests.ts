import { expect } from 'vitest'
import { openSocket } from '../../integration/http/socket-client.ts'
import { transports } from '../../integration/http/transports.ts'
import type { Attack, Target } from '../attack.ts'
import { isFull } from '../rounds.ts'

/**
 * Operations that cost nearly all of the 300,000 points that a caller has for a minute, and little else: there are few
 * users. Each costs 1 + 1 + users * (1 + 1 + 2 * sessions).
 */
const SPENDING = [...Array<[number, number]>(14).fill([100, 100]), [100, 80], ...(isFull ? [] : [[9, 50] as const])]
const spent = SPENDING.reduce((sum, [users = 0, sessions = 0]) => sum + 2 + users * (2 + 2 * sessions), 0)
const LEFT = 300_000 - spent
const AT_ONCE = 10

async function spend({ url, insider: authorization }: Target): Promise<void> {
  for (const [users, sessions] of SPENDING) {
    const nodes = `sessions(first: ${sessions}) { nodes { checkpoint { id } } }`
    const query = `{ users(first: ${users}) { nodes { ${nodes} } } }`
    expect((await transports.HTTP(url, query, undefined, { authorization })).errors).toBeUndefined()
  }
}

const JSON_TYPE = { 'content-type': 'application/json' }
const LARGEST = isFull ? 1_048_576 : 100_000
/** Bodies that HTTP refuses. */
const REFUSED: readonly RequestInit[] = [
  { headers: JSON_TYPE, body: '{' },
  { headers: JSON_TYPE, body: `[${'{},'.repeat(LARGEST / 3 - 2)}{}]` },
  { headers: JSON_TYPE, body: '['.repeat(LARGEST) },
  { headers: JSON_TYPE, body: `{"query": 7, "more": "${'x'.repeat(LARGEST - 100)}"}` },
  { headers: JSON_TYPE, body: Buffer.alloc(LARGEST, 0xe9) },
  { headers: JSON_TYPE, body: ' '.repeat(1_048_577) },
  { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: 'x'.repeat(LARGEST) },
  { headers: { 'content-type': 'text/plain' }, body: '{"query":"{ __typename }"}' },
]

/** Sends them until the points are spent, and then some. */
async function sendRefused(target: Target, accept: string): Promise<void> {
  await spend(target)
  const statuses: number[] = []
  while (statuses.length < LEFT + AT_ONCE) {
    const sending = Array.from({ length: AT_ONCE }, async (_, place) => {
      const { headers, body } = REFUSED[(statuses.length + place) % REFUSED.length] as RequestInit
      const all = { ...(headers as Record<string, string>), accept, authorization: target.insider }
      const response = await fetch(target.url, { method: 'POST', headers: all, body: body ?? null })
      await response.arrayBuffer()
      return response.status
    })
    statuses.push(...(await Promise.all(sending)))
  }
  expect([...new Set(statuses.slice(0, LEFT - AT_ONCE))].sort()).toEqual([400, 413, 415])
  expect(new Set(statuses.slice(-AT_ONCE))).toEqual(new Set([429]))
}

export const attack: Attack = {
  title: 'requests that are refused, until they have cost all that a caller has for a minute',
  ways: {
    HTTP: (target) => sendRefused(target, 'application/json'),
    SSE: (target) => sendRefused(target, 'text/event-stream'),
    // A message that is no JSON closes its socket, so here are operations that are refused.
    async WebSocket(target) {
      await spend(target)
      const socket = await openSocket(target, { headers: { authorization: target.insider } })
      const codes: unknown[] = []
      while (codes.length < LEFT + AT_ONCE) {
        const sending = Array.from({ length: AT_ONCE }, async (_, place) => {
          const id = String(codes.length + place)
          socket.subscribe(id, '{ nonsense')
          const [answer] = await socket.told(id, 'error')
          return (answer?.payload as { extensions: { code: string } }[])[0]?.extensions.code
        })
        codes.push(...(await Promise.all(sending)))
      }
      socket.socket.terminate()
      await socket.closed
      expect(new Set(codes.slice(0, LEFT - AT_ONCE))).toEqual(new Set(['BAD_USER_INPUT']))
      expect(new Set(codes.slice(-AT_ONCE))).toEqual(new Set(['RATE_LIMITED']))
    },
  },
}
