import { createClient } from 'graphql-sse'
import { Kind, OperationTypeNode, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { graphiqlExamples } from '../../../src/http/graphiql/graphiql-examples.ts'
import { seed } from '../../../src/cli/seed.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const isSubscription = (query: string) =>
  parse(query).definitions.some(
    (node) => node.kind === Kind.OPERATION_DEFINITION && node.operation === OperationTypeNode.SUBSCRIPTION,
  )
const answered = graphiqlExamples.filter(({ query }) => !isSubscription(query))
const watching = graphiqlExamples.filter(({ query }) => isSubscription(query))

describe('GraphiQL’s examples, on what `npm run seed` made,', () => {
  let waymark: TestWaymark
  /** Runs a tab, and checks that it shows something: a refusal or an empty list would be a poor example. */
  async function run(name: string): Promise<Record<string, any>> {
    const answer = await waymark.send(graphiqlExamples.find((example) => example.name === name)?.query ?? '')
    expect(answer, name).toMatchObject({ status: 200 })
    expect(answer.errors, name).toBeUndefined()
    expect(JSON.stringify(answer.data), name).not.toMatch(/"code":|"nodes":\[\]|"totalCount":0/)
    return answer.data ?? {}
  }
  beforeAll(async () => {
    waymark = await startWaymark()
    await seed(waymark.database.url)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('are these', () => {
    expect(answered.map(({ name }) => name)).toEqual([
      'Checkpoints',
      'Sessions',
      'ResumePlan',
      'SaveCheckpoint',
      'StartSession',
    ])
    expect(watching.map(({ name }) => name)).toEqual(['WatchSessions'])
  })

  it('each run after each other, and again, and still do what they say', async () => {
    let [saves, starts] = [0, 0]
    /** What each says that it does. */
    const check: Record<string, (data: Record<string, any>) => void> = {
      Checkpoints: ({ checkpoints }) => expect(checkpoints.totalCount).toBe(6),
      Sessions: ({ sessions, sessionStats }) => {
        expect(sessions.totalCount).toBe(9 + starts)
        expect(sessionStats).toMatchObject({ completed: 5, stopped: 1, running: Math.min(starts, 1) })
      },
      ResumePlan: ({ resumePlan, interrupted, untouched }) => {
        expect([resumePlan.mode, interrupted.mode, untouched.mode]).toEqual(['INCREMENTAL', 'RESUME', 'FULL'])
        expect([resumePlan.untilItemIds.length, interrupted.pageToken]).toEqual([3, 'max_id=1290331'])
      },
      SaveCheckpoint: ({ saveCheckpoint }) => {
        saves += 1
        expect(saveCheckpoint).toMatchObject({ created: false, checkpoint: { bookmarksCount: 612 + saves } })
      },
      StartSession: ({ startSession }) => {
        starts += 1
        expect(startSession).toMatchObject({ session: { status: 'RUNNING' }, plan: { mode: 'INCREMENTAL' } })
      },
    }
    const names = answered.map(({ name }) => name)
    for (const first of names) {
      for (const second of names) {
        for (const name of [first, second]) check[name]?.(await run(name))
      }
    }
    expect([saves, starts]).toEqual([10, 10])
  })

  it.each(watching)('$name shows the session that StartSession starts', async ({ query }) => {
    const client = createClient({ url: waymark.url, retryAttempts: 0 })
    const iterator = client.iterate<{ sessionStatusChanged: { sessionId: string; kind: string } }>({ query })
    const seen: unknown[] = []
    const reading = (async () => {
      for await (const { data, errors } of iterator) seen.push(errors ?? data?.sessionStatusChanged.kind)
    })()
    // The subscription listens once it has told one; until then start another.
    await expect
      .poll(async () => {
        await run('StartSession')
        return seen.length
      })
      .toBeGreaterThan(0)
    client.dispose()
    await reading.catch(() => undefined)
    expect(seen).toContain('STARTED')
    expect(seen.filter((kind) => kind !== 'STARTED' && kind !== 'STATUS_CHANGED')).toEqual([])
  })
})
