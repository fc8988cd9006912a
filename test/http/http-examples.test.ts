import { createClient } from 'graphql-sse'
import { Kind, OperationTypeNode, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { graphiqlExamples } from '../../src/http/graphiql-examples.ts'
import { seed } from '../../src/seed.ts'
import { startWaymark, type TestWaymark } from '../support/waymark.ts'

const isSubscription = (query: string) =>
  parse(query).definitions.some(
    (node) => node.kind === Kind.OPERATION_DEFINITION && node.operation === OperationTypeNode.SUBSCRIPTION,
  )
const answered = graphiqlExamples.filter(({ query }) => !isSubscription(query))
const watching = graphiqlExamples.filter(({ query }) => isSubscription(query))

describe('GraphiQL’s examples, on what `npm run seed` made,', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await seed(waymark.database.url)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it.each(answered)('$name answers without an error, again and again, and shows something', async ({ query }) => {
    for (let round = 0; round < 2; round += 1) {
      const answer = await waymark.send(query)
      expect(answer).toMatchObject({ status: 200 })
      expect(answer.errors).toBeUndefined()
      const text = JSON.stringify(answer.data)
      // A refusal, or an empty list, would be a poor example.
      expect(text).not.toMatch(/"code":|"nodes":\[\]|"totalCount":0/)
    }
  })

  it('there is one to watch with', () => {
    expect(watching).toHaveLength(1)
  })

  it.each(watching)('$name shows the session that StartSession starts', async ({ query }) => {
    const start = graphiqlExamples.find(({ name }) => name === 'StartSession')?.query ?? ''
    const client = createClient({ url: waymark.url, retryAttempts: 0 })
    const iterator = client.iterate<{ sessionStatusChanged: { sessionId: string; kind: string } }>({ query })
    const seen: unknown[] = []
    const reading = (async () => {
      for await (const { data, errors } of iterator) seen.push(errors ?? data?.sessionStatusChanged.kind)
    })()
    // The subscription listens once it has told one; until then start another.
    await expect
      .poll(async () => {
        await waymark.ask(start)
        return seen.length
      })
      .toBeGreaterThan(0)
    client.dispose()
    await reading.catch(() => undefined)
    expect(seen).toContain('STARTED')
    expect(seen.filter((kind) => kind !== 'STARTED' && kind !== 'STATUS_CHANGED')).toEqual([])
  })
})
