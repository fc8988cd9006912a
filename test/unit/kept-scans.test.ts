import { describe, expect, it } from 'vitest'
import { KeptScans } from '../../src/crawl/due/kept-scans.ts'

const query = (completedBefore: number, stream = 'twitter/bookmarks') => ({
  ...{ stream, completedBefore: new Date(completedBefore), startedBefore: undefined },
})
const found = { after: 'user-1', userIds: ['user-2'], isWhole: true }

describe('a scan for users who were never started', () => {
  it('is kept for 20 times as long as it took, for the same stream and place', () => {
    const kept = new KeptScans()
    kept.keep(query(1_000), found, 0, 400)
    expect(kept.find(query(1_000), 'user-1', 7_999)).toBe(found)
    expect(kept.find(query(1_000), 'user-1', 8_000)).toBeUndefined()
    expect(kept.find(query(1_000), 'user-0', 1)).toBeUndefined()
    expect(kept.find(query(1_000, 'reddit/saved'), 'user-1', 1)).toBeUndefined()
  })

  it('is kept for 10 s at most, and not at all if it was quick', () => {
    const kept = new KeptScans()
    kept.keep(query(1_000), found, 0, 5_000)
    expect(kept.find(query(1_000), 'user-1', 9_999)).toBe(found)
    expect(kept.find(query(1_000), 'user-1', 10_000)).toBeUndefined()
    // A quick one takes the place of what is kept.
    kept.keep(query(1_000), found, 1, 399)
    expect(kept.find(query(1_000), 'user-1', 2)).toBeUndefined()
  })

  it('serves an earlier bound, and a later one only by as much as it may be old', () => {
    const kept = new KeptScans()
    kept.keep(query(10_000), found, 0, 400)
    expect(kept.find(query(0), 'user-1', 1)).toBe(found)
    expect(kept.find(query(18_000), 'user-1', 1)).toBe(found)
    expect(kept.find(query(18_001), 'user-1', 1)).toBeUndefined()
  })

  it('is dropped where there are more than 100 streams, the oldest first', () => {
    const kept = new KeptScans()
    for (let n = 0; n <= 100; n += 1) kept.keep(query(0, `list/${n}`), found, 0, 400)
    expect(kept.find(query(0, 'list/0'), 'user-1', 1)).toBeUndefined()
    expect(kept.find(query(0, 'list/1'), 'user-1', 1)).toBe(found)
  })
})
