import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { post, schemaOf, serve, subscribe } from './http-support.ts'
import { openSocket } from './socket-client.ts'

/** Sends text and nothing after it, and reads until the server hangs up. */
async function sendAndWait({ port }: { readonly port: number }, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(text)
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
  await once(socket, 'close')
  return answer
}

/** As in the server, and a hundred times as quick. */
const receiptTimes = { headersMs: 150, requestMs: 300, initMs: 100, lookEachMs: 50 }
/** So long that it is none. */
const patient = { headersMs: 600_000, requestMs: 600_000, initMs: 600_000, lookEachMs: 50 }

const host = 'host: 127.0.0.1\r\n'
const json = 'content-type: application/json\r\ncontent-length: 100\r\n'
const body = '{"query": "mutation { save }"'

/** By transport, what begins an operation and stops within the headers. */
const headers = [
  ['HTTP', `POST /graphql HTTP/1.1\r\n${host}${json}`],
  ['SSE', `POST /graphql HTTP/1.1\r\n${host}${json}accept: text/event-stream\r\n`],
  ['WebSocket', `GET /graphql HTTP/1.1\r\n${host}connection: upgrade\r\nupgrade: websocket\r\n`],
] as const

function saves() {
  const seen = { saved: 0, finish: (): void => undefined }
  const finished = new Promise<void>((resolve) => (seen.finish = resolve))
  const schema = schemaOf('type Query { slow: Int } type Mutation { save: Int } type Subscription { late: Int }', {
    'Query.slow': () => finished.then(() => 1),
    'Mutation.save': () => (seen.saved += 1),
    'Subscription.late': async function* () {
      await finished
      yield { late: 1 }
    },
  })
  return { seen, schema }
}

describe('a client that is too slow to say what it wants', () => {
  it.each(headers)('is told 408 where its headers do not end, over %s', async (_, text) => {
    const server = await serve(saves().schema, { receiptTimes: { ...patient, headersMs: receiptTimes.headersMs } })
    expect(await sendAndWait(server, text)).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n/)
    expect(server.state().connections).toBe(0)
  })

  it.each(headers.slice(0, 2))('is told 408 where its operation does not end, over %s', async (_, text) => {
    const { seen, schema } = saves()
    const server = await serve(schema, { receiptTimes: { ...receiptTimes, headersMs: receiptTimes.requestMs } })
    expect(await sendAndWait(server, `${text}\r\n${body}`)).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(seen.saved).toBe(0)
    expect(server.state().connections).toBe(0)
  })

  it('is told 4408 where it opened a WebSocket and says nothing', async () => {
    const server = await serve(saves().schema, { receiptTimes: { ...patient, initMs: receiptTimes.initMs } })
    const client = await openSocket(server, { init: false })
    expect(await client.closed).toMatchObject({ code: 4408 })
  })
})

describe('a client that has said what it wants', () => {
  it('may wait for longer than it may take to say so, over each transport', async () => {
    const { seen, schema } = saves()
    const server = await serve(schema, { receiptTimes })
    const slow = post(server, { query: '{ slow }' })
    const stream = await subscribe(server, 'subscription { late }')
    const socket = await openSocket(server)
    socket.subscribe('1', 'subscription { late }')
    // Each of these began after those above, and has been too slow.
    for (const [, text] of headers.slice(0, 2)) expect(await sendAndWait(server, `${text}\r\n${body}`)).toMatch(/ 408 /)
    seen.finish()
    expect((await slow).data).toEqual({ slow: 1 })
    await stream.readUntil('"late":1')
    await socket.told('1', 'complete')
    socket.socket.terminate()
    await stream.readToEnd()
  })
})
