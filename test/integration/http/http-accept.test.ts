import { describe, expect, it } from 'vitest'
import { rawRequest, schemaOf, serve } from './http-support.ts'

const schema = schemaOf('type Query { a: Int } type Subscription { ticks: Int }', {
  'Query.a': () => 1,
  'Subscription.ticks': async function* () {
    await Promise.resolve()
    yield { ticks: 1 }
  },
})
const RESPONSE = 'application/graphql-response+json'
const JSON_TYPE = 'application/json'
const EVENTS = 'text/event-stream'

async function answerTo(accept: string | undefined, query = '{ a }') {
  const server = await serve(schema)
  const headers = { 'content-type': JSON_TYPE, ...(accept !== undefined && { accept }) }
  const { status, headers: told } = await rawRequest(
    server,
    '/graphql',
    { method: 'POST', headers },
    JSON.stringify({ query }),
  )
  return { status, type: told['content-type']?.split(';')[0] }
}

describe('the media type of an answer', () => {
  it.each([
    // Apollo Client 4, urql 6, graphql-request, relay examples.
    [`${RESPONSE}, ${JSON_TYPE};q=0.9`, RESPONSE],
    [`${RESPONSE}, application/graphql+json, ${JSON_TYPE}, ${EVENTS}, multipart/mixed`, RESPONSE],
    [`${JSON_TYPE}, ${RESPONSE}`, JSON_TYPE],
    [`${RESPONSE}, ${JSON_TYPE}`, RESPONSE],
    [`${RESPONSE}; charset=utf-8, ${JSON_TYPE}; charset=utf-8`, RESPONSE],
    [`${JSON_TYPE};q=0.5, ${RESPONSE};q=0.8`, RESPONSE],
    [`${RESPONSE};q=0.5, ${JSON_TYPE};q=0.8`, JSON_TYPE],
    [`${RESPONSE};q=0.001, text/html`, RESPONSE],
    [`${EVENTS};q=0.1, ${JSON_TYPE};q=0.2`, JSON_TYPE],
    [`${EVENTS}, ${JSON_TYPE}`, EVENTS],
    [`${JSON_TYPE}, ${EVENTS}`, JSON_TYPE],
    [`Application/JSON ; Q=0.2 , ${RESPONSE.toUpperCase()} ; q=0.3`, RESPONSE],
    [`${JSON_TYPE};q=0, ${RESPONSE}`, RESPONSE],
    [`${RESPONSE};q=0, ${JSON_TYPE};q=0.1`, JSON_TYPE],
    [`*/*, ${JSON_TYPE};q=0`, RESPONSE],
    [`*/*;q=0.1, ${RESPONSE}`, RESPONSE],
    [`application/*;q=0.9, ${JSON_TYPE};q=0.1`, RESPONSE],
    [`application/*;q=0, */*`, undefined],
    ['*/*', JSON_TYPE],
    ['application/*', JSON_TYPE],
    ['text/html, */*;q=0.8', JSON_TYPE],
    ['text/*', EVENTS],
    ['', JSON_TYPE],
    [undefined, JSON_TYPE],
    ['text/html', undefined],
    ['*/*;q=0', undefined],
    [`${JSON_TYPE};q=0`, undefined],
    [`${JSON_TYPE};q=0.000`, undefined],
    [`${RESPONSE};q=0, ${EVENTS}; q=0`, undefined],
  ])('for Accept: %s is %s', async (accept, type) => {
    const answer = await answerTo(accept)
    expect(answer).toEqual(type === undefined ? { status: 406, type: JSON_TYPE } : { status: 200, type })
  })

  it.each([EVENTS, `${JSON_TYPE}, ${EVENTS};q=0.1`, 'text/*', `${EVENTS}, multipart/mixed`])(
    'of a subscription is an event stream for Accept: %s',
    async (accept) => {
      expect(await answerTo(accept, 'subscription { ticks }')).toEqual({ status: 200, type: EVENTS })
    },
  )

  it.each([JSON_TYPE, RESPONSE, '*/*', `${JSON_TYPE}, ${EVENTS};q=0`])(
    'of a subscription is none for Accept: %s',
    async (accept) => {
      expect(await answerTo(accept, 'subscription { ticks }')).toMatchObject({ status: 406 })
    },
  )
})
