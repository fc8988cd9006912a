import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { inBatches } from '../../src/database/batches.ts'

const BATCH_MS = 20

describe('batches that delete', () => {
  it('leave most of the time to others, and count all', async () => {
    const startedAt = performance.now()
    const total = await inBatches<number>(async (after = 0) => {
      await delay(BATCH_MS)
      return { count: 10, next: after < 4 ? after + 1 : undefined }
    })
    expect(total).toBe(50)
    // Four pauses of four times as long; a timer may be a millisecond early.
    expect(performance.now() - startedAt).toBeGreaterThan((5 + 4 * 4) * (BATCH_MS - 1))
  })

  it('end after the one in hand, or in a pause, when they are to stop', async () => {
    const stopping = new AbortController()
    let batches = 0
    const total = await inBatches<true>(() => {
      batches += 1
      if (batches === 2) stopping.abort()
      return Promise.resolve({ count: 1, next: true })
    }, stopping.signal)
    expect({ total, batches }).toEqual({ total: 2, batches: 2 })
  })
})
