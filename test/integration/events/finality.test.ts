import { describe, expect, it } from 'vitest'
import { Finality } from '../../../src/events/finality.ts'
import type { CheckpointRecord } from '../../../src/events/outbox.ts'
import { RecentEvents } from '../../../src/events/recent.ts'

describe('the position', () => {
  it('is the highest that was seen where nobody is open', () => {
    const finality = new Finality(10n)
    finality.judge({ highest: 14n, finalUpTo: 0n, writers: [] }, 0)
    expect(finality.position).toBe(14n)
    expect(finality.heldBack(0)).toBeUndefined()
  })

  it('stays below the first write of whoever is open: above the look before', () => {
    const finality = new Finality(10n)
    finality.judge({ highest: 14n, finalUpTo: 0n, writers: [] }, 0)
    finality.judge({ highest: 20n, finalUpTo: 0n, writers: ['3/1'] }, 100)
    finality.judge({ highest: 30n, finalUpTo: 0n, writers: ['3/1', '4/1'] }, 200)
    expect(finality.position).toBe(14n)
    expect(finality.heldBack(350)).toEqual({ writer: '3/1', forMs: 250 })
    finality.judge({ highest: 31n, finalUpTo: 0n, writers: ['4/1'] }, 400)
    expect(finality.position).toBe(20n)
    finality.judge({ highest: 31n, finalUpTo: 0n, writers: [] }, 500)
    expect(finality.position).toBe(31n)
  })

  it('knows nothing of what was before its first look', () => {
    const finality = new Finality(5n)
    finality.judge({ highest: 20n, finalUpTo: 0n, writers: ['3/1'] }, 0)
    expect(finality.position).toBe(5n)
  })

  it('is at least where somebody else knew it to be, whoever is open', () => {
    const finality = new Finality(5n)
    finality.judge({ highest: 20n, finalUpTo: 17n, writers: ['3/1'] }, 0)
    expect(finality.position).toBe(17n)
    finality.judge({ highest: 20n, finalUpTo: 12n, writers: ['3/1'] }, 10)
    expect(finality.position).toBe(17n)
    expect(finality.heldBack(30)).toEqual({ writer: '3/1', forMs: 30 })
  })

  it('takes a transaction that gave its lock back and comes again for a new one', () => {
    const finality = new Finality(0n)
    finality.judge({ highest: 10n, finalUpTo: 0n, writers: ['3/1'] }, 0)
    finality.judge({ highest: 12n, finalUpTo: 0n, writers: [] }, 10)
    finality.judge({ highest: 15n, finalUpTo: 0n, writers: ['3/1'] }, 20)
    expect(finality.position).toBe(12n)
  })

  it('takes a recovered prepared transaction for one that may have been open all the time', () => {
    const finality = new Finality(0n)
    finality.judge({ highest: 10n, finalUpTo: 0n, writers: ['3/1'] }, 0)
    finality.judge({ highest: 20n, finalUpTo: 0n, writers: ['-1/700'] }, 10)
    expect(finality.position).toBe(0n)
  })

  it('never goes back, also where the highest was pruned', () => {
    const finality = new Finality(0n)
    finality.judge({ highest: 10n, finalUpTo: 0n, writers: [] }, 0)
    finality.judge({ highest: 0n, finalUpTo: 0n, writers: [] }, 10)
    finality.judge({ highest: 0n, finalUpTo: 0n, writers: ['3/1'] }, 20)
    expect(finality.position).toBe(10n)
  })
})

describe('recent events', () => {
  const event = (eventId: bigint): CheckpointRecord => ({
    topic: 'checkpoint',
    kind: 'SAVED',
    eventId,
    occurredAt: new Date(0),
    userId: 'alice',
    stream: 'twitter/bookmarks',
    version: 1,
    lastItemId: '1',
    bookmarksCount: 0,
    sessionId: null,
  })
  const ids = (events: readonly { readonly eventId: bigint }[] | undefined) => events?.map(({ eventId }) => eventId)

  it('serve whoever is where they begin, also where the IDs in between were rolled back', () => {
    const recent = new RecentEvents(100n, 3)
    recent.append([event(105n), event(106n)])
    expect(ids(recent.read(100n, 10))).toEqual([105n, 106n])
    expect(ids(recent.read(103n, 1))).toEqual([105n])
    expect(ids(recent.read(106n, 10))).toEqual([])
    expect(recent.read(99n, 10)).toBeUndefined()
  })

  it('say so where what follows is no longer among them', () => {
    const recent = new RecentEvents(0n, 3)
    recent.append([1n, 4n, 6n].map(event))
    recent.append([7n, 9n].map(event))
    expect(recent.read(3n, 10)).toBeUndefined()
    expect(ids(recent.read(4n, 10))).toEqual([6n, 7n, 9n])
    expect(ids(recent.read(5n, 2))).toEqual([6n, 7n])
  })
})
