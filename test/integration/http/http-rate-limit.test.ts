import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import { CallerRates } from '../../../src/limits/caller-rates.ts'
import { schema } from '../../../src/api/schema.ts'
import { startWaymark } from '../../support/waymark.ts'
import { post, schemaOf, serve } from './http-support.ts'
import { openSocket } from './socket-client.ts'
import { transports } from './transports.ts'
import { countCallers } from '../../../src/limits/callers.ts'

const json = { 'content-type': 'application/json' }
const plain = schemaOf('type Query { list: Item } type Item { a: Int }', { 'Query.list': () => ({ a: 1 }) })

describe.each(Object.entries(transports))('over %s', (transport, ask) => {
  it('refuses a caller who has spent the points of a minute, with the time to wait, and does nothing', async () => {
    await using waymark = await startWaymark({ RATE_LIMIT_POINTS_PER_MINUTE: '100' })
    // 1, and 41 objects: a connection, 20 users, a checkpoint each.
    const page = '{ users { nodes { checkpoint { id } } } }'
    for (let n = 0; n < 2; n += 1)
      expect(await ask(waymark.url, page)).toMatchObject({ data: { users: { nodes: [] } } })
    const statements = vi.spyOn(pg.Client.prototype, 'query')
    const subscribe = vi.spyOn(
      schema.getSubscriptionType()?.getFields()['sessionStatusChanged'] ?? {},
      'subscribe' as never,
    )
    try {
      for (const document of [
        page,
        `subscription { sessionStatusChanged { session { user { sessions { nodes { id } } } } } }`,
      ]) {
        const { data, errors = [], status, retryAfter } = await ask(waymark.url, document)
        expect(data ?? null).toBeNull()
        expect(errors).toMatchObject([
          { extensions: { code: 'RATE_LIMITED', retryAfterSeconds: expect.any(Number) as number } },
        ])
        const seconds = Number(errors[0]?.extensions['retryAfterSeconds'])
        expect(seconds).toBeGreaterThan(0)
        expect(seconds).toBeLessThanOrEqual(60)
        expect(errors[0]?.message).toMatch(/more than 100 operations and objects within a minute: go on in \d+ s/)
        if (transport !== 'WebSocket') expect([status, retryAfter]).toEqual([429, String(seconds)])
      }
      const texts = statements.mock.calls.map(([first]: unknown[]) =>
        typeof first === 'string' ? first : (first as { text: string }).text,
      )
      expect(texts.filter((text) => /public\."user"|crawl_checkpoint/.test(text))).toEqual([])
      expect(subscribe).not.toHaveBeenCalled()
    } finally {
      vi.restoreAllMocks()
    }
    // What costs next to nothing is refused with the rest once nothing is left.
    for (let n = 0; n < 60; n += 1) await ask(waymark.url, '{ __typename }')
    expect(await ask(waymark.url, '{ __typename }')).toMatchObject({
      errors: [{ extensions: { code: 'RATE_LIMITED' } }],
    })
  })
})

describe('the rate of a caller', () => {
  it('is one over all transports, and what is refused for another reason counts', async () => {
    await using waymark = await startWaymark({ RATE_LIMIT_POINTS_PER_MINUTE: '10' })
    for (let n = 0; n < 4; n += 1) await waymark.send('{ nonsense }')
    for (let n = 0; n < 3; n += 1) await transports.SSE(waymark.url, '{ __typename }')
    for (let n = 0; n < 3; n += 1)
      expect(await transports.WebSocket(waymark.url, '{ __typename }')).toMatchObject({ data: {} })
    for (const ask of Object.values(transports)) {
      expect(await ask(waymark.url, '{ __typename }')).toMatchObject({
        errors: [{ extensions: { code: 'RATE_LIMITED' } }],
      })
    }
    // The socket stays open: its streams go on.
    const socket = await openSocket({ url: waymark.url })
    socket.subscribe('1', '{ __typename }')
    await socket.told('1', 'error')
    expect(socket.socket.readyState).toBe(socket.socket.OPEN)
    socket.socket.terminate()
  })

  it.each<[string, string, RequestInit, number]>([
    ['no JSON', '', { method: 'POST', headers: json, body: '{' }, 400],
    ['a batch', '', { method: 'POST', headers: json, body: '[{"query":"{ __typename }"}]' }, 400],
    ['no query', '', { method: 'POST', headers: json, body: '{}' }, 400],
    ['bytes that are no text', '', { method: 'POST', headers: json, body: Buffer.from([0x22, 0xe9, 0x22]) }, 400],
    ['too long', '', { method: 'POST', headers: json, body: ' '.repeat(1_048_577) }, 413],
    ['a form', '', { method: 'POST', body: new URLSearchParams({ query: '{ __typename }' }) }, 415],
    ['compressed', '', { method: 'POST', headers: { ...json, 'content-encoding': 'gzip' }, body: 'x' }, 415],
    [
      'for an answer that is not served',
      '',
      { method: 'POST', headers: { ...json, accept: 'image/png' }, body: '{}' },
      406,
    ],
    ['a URL that is none', '?query=%ff', {}, 400],
    ['a GET of another site', '?query={__typename}', { headers: { origin: 'https://elsewhere.example' } }, 403],
    ['a mutation by GET', '?query=mutation{__typename}', {}, 405],
  ])('is spent by what HTTP refuses as well: %s', async (_, parameters, init, status) => {
    const server = await serve(plain, { callers: countCallers({ ratePointsPerMinute: 4 }) })
    const statuses = []
    for (let n = 0; n < 5; n += 1) statuses.push((await fetch(`${server.url}${parameters}`, init)).status)
    expect(statuses.slice(0, 2)).toEqual([status, status])
    expect(statuses.at(-1)).toBe(429)
    const refused = await fetch(`${server.url}${parameters}`, init)
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d?$/)
    expect(await refused.json()).toMatchObject({
      errors: [{ extensions: { code: 'RATE_LIMITED', retryAfterSeconds: Number(refused.headers.get('retry-after')) } }],
    })
  })

  it('is spent by GET as by POST, also where the answer is 304', async () => {
    const server = await serve(plain, { callers: countCallers({ ratePointsPerMinute: 6 }) })
    const path = `${server.url}?query={list{a}}`
    const { headers } = await fetch(path)
    expect((await fetch(path, { headers: { 'if-none-match': headers.get('etag') ?? '' } })).status).toBe(304)
    expect((await post(server, { query: '{ list { a } }' })).status).toBe(200)
    expect((await fetch(path)).status).toBe(429)
  })

  it('is nobody else’s', async () => {
    const rates = new CallerRates(10)
    await rates.spend('ann', 9)
    await rates.spend('ann', 1)
    await expect(rates.spend('ann', 1)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
    await rates.spend('ben', 9)
  })

  it('begins anew after a minute, and an operation that costs more than a minute has can be asked in each', async () => {
    vi.useFakeTimers()
    try {
      const rates = new CallerRates(10)
      for (let minute = 0; minute < 3; minute += 1) {
        await rates.spend('ann', 1)
        await rates.spend('ann', 50_000)
        vi.advanceTimersByTime(59_000)
        await expect(rates.spend('ann', 1)).rejects.toMatchObject({ retryAfterSeconds: 1 })
        vi.advanceTimersByTime(1_000)
      }
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  it('has no end where none is set', async () => {
    const rates = new CallerRates(0)
    for (let n = 0; n < 1_000; n += 1) await rates.spend('ann', 50_000)
  })
})
