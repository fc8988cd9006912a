import { expect, it } from 'vitest'
import { seed } from '../../../src/cli/seed.ts'
import { startWaymark } from '../../support/waymark.ts'
import { blocksNamed, readDocument } from './markdown.ts'

const operations = blocksNamed(await readDocument('docs/python.md'), 'graphql', 'python')

it('docs/python.md answers each call of the Python CheckpointManager', async () => {
  await using waymark = await startWaymark()
  await seed(waymark.database.url)
  const results: unknown[] = []
  for (const operation of operations) results.push(...Object.values(await waymark.ask(operation)))
  expect(results).toEqual([
    expect.objectContaining({ lastTweetId: '2107472788858387122', bookmarksCount: 612 }),
    { created: false, checkpoint: { lastTweetId: '2107472788858387122', bookmarksCount: 613 } },
    { lastTweetId: '2107472788858387122', bookmarksCount: 613 },
    { cleared: true, lastItemId: '2107472788858387122' },
  ])
})
