import { expect } from 'vitest'
import { openSocket } from '../../integration/http/socket-client.ts'
import { transports } from '../../integration/http/transports.ts'
import type { Attack, Target, Way } from '../attack.ts'
import { rounds } from '../rounds.ts'

const ROUNDS = rounds(50, 1)

/** Claims that a trusted issuer has signed, and that mean nothing. */
const CLAIMS: readonly Readonly<Record<string, unknown>>[] = [
  ...[1e300, 1e15, Date.now() + 3_600_000, -1, '9999999999', true, null, [], {}].map((exp) => ({ exp })),
  ...[1e300, Date.now(), '0', -1, {}].flatMap((time) => [{ nbf: time }, { iat: time }]),
  ...[['ada'], { name: 'ada' }, 7, true, null, '', 'a\u0000b', 'a\ufffdb', 'a'.repeat(300)].map((sub) => ({ sub })),
  ...[['a\u0000b'], [''], ['a\ufffdb'], ['a'.repeat(256)], [7], [['a']], 'ada', {}, null].map((users) => ({
    waymark_user_ids: users,
  })),
  ...[['read'], { read: true }, 7, true, null].map((scope) => ({ scope })),
  ...[7, {}, null, ['elsewhere']].map((aud) => ({ aud })),
]

/** What a token is refused with; undefined: it was taken. */
type Refusal = (target: Target, authorization: string) => Promise<unknown>

const overHttp =
  (way: 'HTTP' | 'SSE'): Refusal =>
  async ({ url }, authorization) => {
    const { status, errors } = await transports[way](url, '{ viewer { subject } }', undefined, { authorization })
    return errors && [status, errors[0]?.extensions['code']]
  }

const refusals: Readonly<Record<Way, { readonly ask: Refusal; readonly right: unknown }>> = {
  HTTP: { ask: overHttp('HTTP'), right: [401, 'UNAUTHENTICATED'] },
  SSE: { ask: overHttp('SSE'), right: [401, 'UNAUTHENTICATED'] },
  WebSocket: {
    ask: async ({ url }, authorization) => {
      const opened = await openSocket({ url }, { init: false })
      const { socket, closed } = opened
      const acknowledged = new Promise<undefined>((resolve) => {
        socket.once('message', () => {
          resolve(undefined)
        })
      })
      opened.send({ type: 'connection_init', payload: { authorization } })
      const code = await Promise.race([acknowledged, closed.then((close) => close.code)])
      socket.terminate()
      await closed
      return code
    },
    right: 4401,
  },
}

async function strike(way: Way, target: Target): Promise<void> {
  const { ask, right } = refusals[way]
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const claims of CLAIMS) {
      const answered = await ask(target, await target.sign(claims))
      expect([claims, answered]).toEqual([claims, right])
    }
  }
  expect(await ask(target, await target.sign({ scope: 'read' }))).toBeUndefined()
}

export const attack: Attack = {
  title: 'tokens that are signed, with times, names, users and scopes that are none',
  ways: {
    HTTP: (target) => strike('HTTP', target),
    SSE: (target) => strike('SSE', target),
    WebSocket: (target) => strike('WebSocket', target),
  },
}
