import { Repeater } from 'graphql-yoga'
import { describe, expect, it } from 'vitest'
import type { Admit } from '../../../src/operations/exchange/admission.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { post, schemaOf, serve, subscribe, until } from './http-support.ts'
import { openSocket } from './socket-client.ts'
import { countCallers } from '../../../src/limits/callers.ts'

const WATCH = 'subscription { tick }'

/** A subscription that says "1" and then nothing, for as long as it is read. */
function tickSource() {
  let started = 0
  const schema = schemaOf('type Query { a: Int } type Subscription { tick: Int, broken: Int }', {
    'Subscription.tick': () => {
      started += 1
      return new Repeater<unknown>(async (push, stop) => {
        await push({ tick: 1 })
        await stop
      })
    },
    'Subscription.broken': () => {
      throw new Error('broken')
    },
  })
  return { schema, started: () => started }
}

/** Whoever says who they are, is. */
const admit: Admit = ({ authorization = 'nobody' }) =>
  Promise.resolve({ principal: { ...localOperator, subject: authorization }, watch: () => undefined })

const sse = { accept: 'text/event-stream' }

describe('a caller who has all the streams that one may have', () => {
  it('is refused another one over either transport, with the time to wait, and the source is not asked', async () => {
    const { schema, started } = tickSource()
    const server = await serve(schema, { callers: countCallers({ maxStreamsPerCaller: 2 }) })
    const stream = await subscribe(server, WATCH)
    await stream.readUntil('"tick":1')
    const socket = await openSocket(server)
    socket.subscribe('1', WATCH)
    await socket.told('1', 'next')

    const message = 'You have 2 streams open on this server, and 2 is the most: close one, and try again.'
    const extensions = { code: 'RATE_LIMITED', retryAfterSeconds: 1 }
    const refused = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...sse },
      body: JSON.stringify({ query: WATCH }),
    })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect(JSON.parse(/^data: (.*)$/m.exec(await refused.text())?.[1] ?? '')).toMatchObject({
      errors: [{ message, extensions }],
    })
    socket.subscribe('2', WATCH)
    await until(() => {
      expect(socket.messages.filter(({ id }) => id === '2')).not.toEqual([])
    })
    const told = socket.messages.filter(({ id }) => id === '2')
    expect(JSON.stringify(told)).toContain(message)
    expect(JSON.stringify(told)).toContain('"retryAfterSeconds":1')
    expect(started()).toBe(2)
    expect((await post(server, { query: '{ a }' })).status).toBe(200)
    stream.cancel()
    socket.socket.terminate()
  })

  it('may open one for each that ended: left, completed, or never begun', async () => {
    const { schema } = tickSource()
    const server = await serve(schema, { callers: countCallers({ maxStreamsPerCaller: 1 }) })
    for (let n = 0; n < 3; n += 1) {
      // A place is free as soon as the server has noticed.
      let stream = await subscribe(server, WATCH)
      await expect
        .poll(
          async () => {
            if (stream.response.status === 200) return 200
            stream = await subscribe(server, WATCH)
            return stream.response.status
          },
          { timeout: 10_000 },
        )
        .toBe(200)
      await stream.readUntil('"tick":1')
      stream.cancel()
    }
    const socket = await openSocket(server)
    for (let n = 0; n < 3; n += 1) {
      await expect
        .poll(
          async () => {
            const id = `${n} ${socket.messages.length}`
            socket.subscribe(id, WATCH)
            await until(() => {
              expect(socket.messages.filter((message) => message.id === id)).not.toEqual([])
            })
            socket.send({ type: 'complete', id })
            return JSON.stringify(socket.messages.filter((message) => message.id === id))
          },
          { timeout: 10_000 },
        )
        .toContain('"tick":1')
    }
    socket.socket.terminate()
    const broken = () => post(server, { query: 'subscription { broken }' }, sse).catch(() => undefined)
    await broken()
    await broken()
    const stream = await subscribe(server, WATCH)
    await stream.readUntil('event:')
    stream.cancel()
  })

  it('leaves the others theirs', async () => {
    const { schema } = tickSource()
    const server = await serve(schema, { callers: countCallers({ maxStreamsPerCaller: 1 }), admit })
    for (const authorization of ['ann', 'ben']) {
      const socket = await openSocket(server, { headers: { authorization } })
      socket.subscribe('1', WATCH)
      expect(JSON.stringify(await socket.told('1', 'next'))).toContain('"tick":1')
    }
  })
})
