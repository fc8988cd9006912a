import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { syncBuiltinESMExports } from 'node:module'
import zlib, { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { post, rawRequest, schemaOf, type Served, serve } from './http-support.ts'

const schema = schemaOf('type Query { text(length: Int!): String! } type Subscription { texts: String! }', {
  'Query.text': (_, { length }) => 'é'.repeat(Number(length) / 2),
  'Subscription.texts': async function* () {
    await Promise.resolve()
    yield { texts: 'x'.repeat(10_000) }
  },
})
/** Around the text: {"data":{"text":""}} */
const AROUND = 20
const LIMIT = 4_096
const unpack = {
  br: (bytes: Buffer) => brotliDecompressSync(bytes),
  gzip: (bytes: Buffer) => gunzipSync(bytes),
  plain: (bytes: Buffer) => bytes,
}

async function ask(
  server: Served,
  answerBytes: number,
  encoding: string | undefined,
  { method = 'POST', ...headers }: Record<string, string> = {},
) {
  const query = `{ text(length: ${answerBytes - AROUND}) }`
  const path = method === 'POST' ? '/graphql' : `/graphql?query=${encodeURIComponent(query)}`
  const sent = request({
    ...{ host: '127.0.0.1', port: server.port, agent: false, method, path },
    headers: {
      'content-type': 'application/json',
      ...(encoding !== undefined && { 'accept-encoding': encoding }),
      ...headers,
    },
  }).end(method === 'POST' ? JSON.stringify({ query }) : undefined)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const bytes = await buffer(response)
  return { status: response.statusCode, headers: response.headers, bytes }
}

describe('an answer above 4 KiB', () => {
  it.each<[string | undefined, keyof typeof unpack]>([
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip, deflate', 'gzip'],
    ['br;q=0.5, gzip;q=0.8', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['GZIP;Q=0.1', 'gzip'],
    ['x-gzip', 'gzip'],
    ['*', 'br'],
    ['*;q=0.5, br;q=0', 'gzip'],
    ['identity;q=0, *', 'br'],
    ['identity;q=0.5, gzip;q=0.6', 'gzip'],
    ['identity, gzip;q=0.5', 'plain'],
    ['gzip;q=0', 'plain'],
    ['br;q=0.000, gzip;q=0', 'plain'],
    ['deflate, zstd', 'plain'],
    ['gzipped', 'plain'],
    ['identity', 'plain'],
    ['', 'plain'],
    [undefined, 'plain'],
  ])('for Accept-Encoding: %s is sent as %s, by POST and by GET', async (encoding, coding) => {
    const server = await serve(schema)
    for (const method of ['POST', 'GET']) {
      const { status, headers, bytes } = await ask(server, LIMIT + 2, encoding, { method })
      expect([status, headers['content-encoding'], headers['content-length']]).toEqual([
        200,
        coding === 'plain' ? undefined : coding,
        String(bytes.byteLength),
      ])
      expect(headers.vary).toMatch(/accept-encoding/)
      const text = unpack[coding](bytes).toString()
      expect(JSON.parse(text)).toEqual({ data: { text: 'é'.repeat((LIMIT + 2 - AROUND) / 2) } })
      if (coding !== 'plain') expect(bytes.byteLength).toBeLessThan(200)
    }
  })

  it('is compressed in threads of their own, not on the event loop', async () => {
    const server = await serve(schema)
    const original = { gzipSync: zlib.gzipSync, brotliCompressSync: zlib.brotliCompressSync }
    const refuse = () => {
      throw new Error('this holds the event loop up')
    }
    Object.assign(zlib, { gzipSync: refuse, brotliCompressSync: refuse })
    syncBuiltinESMExports()
    try {
      for (const encoding of ['gzip', 'br']) {
        expect((await ask(server, 5_000, encoding)).headers['content-encoding']).toBe(encoding)
      }
    } finally {
      Object.assign(zlib, original)
      syncBuiltinESMExports()
    }
  })

  it('has one tag however it is sent, and is 304 for it', async () => {
    const server = await serve(schema)
    const codings = ['br', 'gzip', undefined]
    const answers = await Promise.all(codings.map((coding) => ask(server, 10_000, coding, { method: 'GET' })))
    const [tag = '', ...others] = answers.map(({ headers }) => headers.etag)
    expect(others).toEqual([tag, tag])
    expect(tag).toMatch(/^W\//)
    for (const coding of codings) {
      const again = await ask(server, 10_000, coding, { method: 'GET', 'if-none-match': tag })
      expect([again.status, again.bytes.byteLength, again.headers['content-encoding']]).toEqual([304, 0, undefined])
    }
    const head = await ask(server, 10_000, 'gzip', { method: 'HEAD' })
    expect([head.bytes.byteLength, head.headers['content-encoding'], head.headers['content-length']]).toEqual([
      0,
      'gzip',
      answers[1]?.headers['content-length'],
    ])
  })

  it('is sent as it is where compression is off', async () => {
    const { headers, bytes } = await ask(await serve(schema, { compression: false }), 10_000, 'gzip, identity;q=0')
    expect([headers['content-encoding'], headers.vary, bytes.byteLength]).toEqual([undefined, undefined, 10_000])
  })

  it('that is an event is not compressed', async () => {
    const headers = { accept: 'text/event-stream', 'content-type': 'application/json', 'accept-encoding': 'gzip, br' }
    const body = JSON.stringify({ query: 'subscription { texts }' })
    const answer = await rawRequest(await serve(schema), '/graphql', { method: 'POST', headers }, body)
    expect([answer.headers['content-encoding'], answer.text.includes('x'.repeat(10_000))]).toEqual([undefined, true])
  })
})

describe('an answer of 4 KiB or less', () => {
  it('is sent as it is, and by POST with no header more', async () => {
    const server = await serve(schema)
    for (const bytes of [LIMIT, 100]) {
      const answer = await ask(server, bytes, 'gzip, br')
      expect([answer.bytes.byteLength, answer.headers['content-encoding'], answer.headers.vary]).toEqual([
        bytes,
        undefined,
        undefined,
      ])
    }
  })

  it('is compressed where it may not be sent as it is, and refused where it may not be sent at all', async () => {
    const server = await serve(schema)
    for (const encoding of ['gzip, identity;q=0', 'gzip, *;q=0', 'br;q=0.1, identity;q=0']) {
      expect((await ask(server, 100, encoding)).headers['content-encoding']).toBe(encoding.split(/[,;]/)[0])
    }
    for (const encoding of ['identity;q=0', '*;q=0', 'deflate, *;q=0']) {
      expect((await ask(server, 100, encoding)).status).toBe(406)
    }
  })

  it('is understood by a client that unpacks by itself', async () => {
    const { data, headers } = await post(await serve(schema), { query: '{ text(length: 100000) }' })
    expect([data, headers.get('content-encoding')]).toEqual([
      { text: 'é'.repeat(50_000) },
      expect.stringMatching(/^(gzip|br)$/),
    ])
  })
})
