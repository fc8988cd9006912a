import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { blocksNamed, readDocument } from './markdown.ts'

const operations = blocksNamed(await readDocument('docs/first-crawl.md'), 'graphql', 'loop')

describe('docs/first-crawl.md', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('shows a crawl that runs as it stands', async () => {
    const results: unknown[] = []
    for (const operation of operations) results.push(...Object.values(await waymark.ask(operation)))
    expect(results).toEqual([
      { __typename: 'RegisterUserSuccess' },
      {
        __typename: 'StartSessionSuccess',
        session: { sessionId: 'run-1' },
        plan: {
          mode: 'FULL',
          afterItemId: null,
          pageToken: null,
          untilItemIds: [],
          reason: expect.stringContaining('from the top to the end') as string,
        },
      },
      {
        __typename: 'SaveCheckpointSuccess',
        stopRequested: false,
        checkpoint: { lastItemId: '1868123456789012480', bookmarksCount: 100 },
        session: { status: 'RUNNING' },
      },
      { __typename: 'HeartbeatSuccess' },
      {
        __typename: 'EndSessionSuccess',
        session: { status: 'COMPLETED', completedAt: expect.any(String) as string },
      },
    ])
  })

  it('is right that two members with a session need an alias', async () => {
    const save = operations.find((operation) => operation.includes('closed: session')) ?? ''
    const { message } = await waymark.fail(save.replace('closed: session', 'session'))
    expect(message).toMatch(/^Fields "session" conflict/)
  })
})
