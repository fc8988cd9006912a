import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Repeater } from 'graphql-yoga'
import { describe, expect, it } from 'vitest'
import { LargeRequests } from '../../../src/limits/large-requests.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { schemaOf, serve, until } from './http-support.ts'
import { openSocket } from './socket-client.ts'
import { transports } from './transports.ts'

const schema = schemaOf('type Query { echo(text: String): String } type Subscription { watch: String }', {
  'Query.echo': (_source, { text }) => text,
  'Subscription.watch': () =>
    new Repeater<unknown>(async (push, stop) => {
      void push({ watch: 'begun' })
      await stop
    }),
})
const ECHO = 'query ($text: String) { echo(text: $text) }'
const LARGE = 'x'.repeat(20_000)

/** Turns of which the test has taken the first. */
function taken(options?: ConstructorParameters<typeof LargeRequests>[0]) {
  const largeRequests = new LargeRequests(options)
  let release: () => void = () => undefined
  void largeRequests.run('somebody', 1, () => new Promise<void>((resolve) => (release = resolve)))
  return { largeRequests, release: () => release() }
}

describe('a request of more than 8 KiB', () => {
  it.each(Object.entries(transports))('waits over %s for its turn; a smaller one does not', async (_, ask) => {
    const { largeRequests, release } = taken()
    const { url } = await serve(schema, { largeRequests })
    const large = ask(url, ECHO, { text: 'large', other: LARGE })
    await until(() => expect(largeRequests.waiting).toBe(1))
    expect(await ask(url, ECHO, { text: 'small', other: 'x'.repeat(7_000) })).toMatchObject({ data: { echo: 'small' } })
    expect(largeRequests.waiting).toBe(1)
    release()
    expect((await large).data).toEqual({ echo: 'large' })
  })

  it('waits as a GET too', async () => {
    const { largeRequests, release } = taken()
    const { url } = await serve(schema, { largeRequests })
    const variables = JSON.stringify({ text: 'large', other: 'x'.repeat(8_200) })
    const large = fetch(`${url}?${new URLSearchParams({ query: ECHO, variables }).toString()}`)
    await until(() => expect(largeRequests.waiting).toBe(1))
    release()
    expect(await (await large).json()).toEqual({ data: { echo: 'large' } })
  })

  it.each(['HTTP', 'SSE'] as const)('is OVERLOADED over %s where the turn does not come in time', async (way) => {
    const { largeRequests } = taken({ patienceMs: 20 })
    const { url } = await serve(schema, { largeRequests })
    expect(await transports[way](url, ECHO, { text: LARGE })).toMatchObject({
      status: 503,
      retryAfter: '1',
      errors: [{ extensions: { code: 'OVERLOADED', retryAfterSeconds: 1 } }],
    })
  })

  it('closes its WebSocket with 1013 where the turn does not come in time', async () => {
    const { largeRequests } = taken({ patienceMs: 20 })
    const opened = await openSocket(await serve(schema, { largeRequests }))
    opened.subscribe('1', ECHO, { variables: { text: LARGE } })
    expect(await opened.closed).toEqual({ code: 1013, reason: 'Try again later' })
  })

  it('is begun over a WebSocket before what was sent behind it', async () => {
    const { largeRequests, release } = taken()
    const server = await serve(schema, { largeRequests })
    const opened = await openSocket(server)
    const { messages } = opened
    opened.subscribe('watch', 'subscription { watch }', { variables: { other: LARGE } })
    opened.send({ type: 'complete', id: 'watch' })
    opened.subscribe('large', ECHO, { variables: { text: LARGE } })
    opened.subscribe('small', ECHO, { variables: { text: 'small' } })
    opened.send({ type: 'ping', payload: { text: 'ping' } })
    await until(() => expect(largeRequests.waiting).toBe(1))
    expect(messages).toHaveLength(1)
    release()
    await until(() => expect(messages.filter(({ type }) => type === 'complete')).toHaveLength(2))
    expect(messages.filter(({ type }) => type === 'next').map(({ id }) => id)).toEqual(['large', 'small'])
    expect(messages).toContainEqual({ type: 'pong', payload: { text: 'ping' } })
    // Completed after it was begun, not before.
    await until(() => expect(server.state().streams.websocket).toBe(0))
    opened.socket.terminate()
    await opened.closed
  })

  it('frees its turn once its operation is begun, also if that is a stream that stays open', async () => {
    const largeRequests = new LargeRequests()
    const server = await serve(schema, { largeRequests })
    const opened = await openSocket(server)
    for (const id of ['1', '2', '3']) opened.subscribe(id, 'subscription { watch }', { variables: { other: LARGE } })
    for (const id of ['1', '2', '3']) await opened.told(id, 'next')
    expect(await transports.HTTP(server.url, ECHO, { text: LARGE })).toMatchObject({ data: { echo: LARGE } })
    opened.socket.terminate()
    await opened.closed
  })

  it('takes a turn by caller, over all transports', async () => {
    const subjects: string[] = []
    const largeRequests = new (class extends LargeRequests {
      override run<Result>(subject: string, bytes: number, work: () => Promise<Result>) {
        subjects.push(subject)
        return super.run(subject, bytes, work)
      }
    })()
    const { url } = await serve(schema, {
      largeRequests,
      admit: ({ authorization = '' }) => ({
        principal: { ...localOperator, subject: authorization },
        watch: () => undefined,
      }),
    })
    for (const [authorization, ask] of Object.entries(transports)) {
      expect((await ask(url, ECHO, { text: LARGE }, { authorization })).errors).toBeUndefined()
    }
    expect(subjects).toEqual(Object.keys(transports))
  })
})

describe('a body that comes in pieces of one byte', () => {
  async function sendInPieces(bytes: Buffer): Promise<string> {
    const { port } = await serve(schema)
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const pieces = [...bytes].map((byte) => Buffer.from([0x31, 13, 10, byte, 13, 10]))
    socket.write(
      'POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    )
    socket.write(Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]))
    return text(socket)
  }

  it('is read as it was sent', async () => {
    const echoed = `ä${'x'.repeat(9_000)}ä`
    const answer = await sendInPieces(Buffer.from(JSON.stringify({ query: ECHO, variables: { text: echoed } })))
    expect(answer).toContain(JSON.stringify({ data: { echo: echoed } }))
  })

  it('is refused from 10,001 pieces on, and its connection is closed', async () => {
    const answer = await sendInPieces(Buffer.alloc(10_001, ' '))
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*connection: close.*more than 10000 pieces/is)
  })
})
