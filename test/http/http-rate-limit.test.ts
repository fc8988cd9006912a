import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import { CallerRates } from '../../src/http/limits/caller-rates.ts'
import { schema } from '../../src/graphql/schema.ts'
import { startWaymark } from '../support/waymark.ts'
import { openSocket } from './socket-client.ts'
import { transports } from './transports.ts'

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
