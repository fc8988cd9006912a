import { describe, expect, it, vi } from 'vitest'
import { Gate } from '../../src/concurrency/gate.ts'
import { Patience } from '../../src/concurrency/patience.ts'

/** Work that ends when the test says so. */
function held() {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  return {
    begun,
    work: (name: string) => () => {
      begun.push(name)
      return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
    },
    end: (name: string) => ends.get(name)?.(),
  }
}

const forever = () => new Patience(60_000)
const overloaded = { name: 'Fault', code: 'OVERLOADED', retryAfterSeconds: 1 }

describe('a gate', () => {
  it('lets in as many as may run, and the others in the order of their arrival', async () => {
    const gate = new Gate({ mostRunning: 2, mostWaiting: 10 })
    const { work, begun, end } = held()
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => gate.run(work(name), forever()))
    expect([begun, gate.running, gate.waiting]).toEqual([['a', 'b'], 2, 2])
    end('b')
    expect(await b).toBe('b')
    await expect.poll(() => begun).toEqual(['a', 'b', 'c'])
    const e = gate.run(work('e'), forever())
    end('a')
    await expect.poll(() => begun).toEqual(['a', 'b', 'c', 'd'])
    for (const name of ['c', 'd']) end(name)
    await expect.poll(() => begun).toContain('e')
    end('e')
    expect(await Promise.all([a, c, d, e])).toEqual(['a', 'c', 'd', 'e'])
    expect([gate.running, gate.waiting, gate.refused]).toEqual([0, 0, 0])
  })

  it('refuses at once what finds the queue full', async () => {
    const gate = new Gate({ mostRunning: 1, mostWaiting: 1 })
    const { work, begun, end } = held()
    const [a, b] = [gate.run(work('a'), forever()), gate.run(work('b'), forever())]
    await expect(gate.run(work('c'), forever())).rejects.toMatchObject(overloaded)
    end('a')
    await expect.poll(() => begun).toEqual(['a', 'b'])
    end('b')
    await Promise.all([a, b])
    expect(gate.refused).toBe(1)
  })

  it('refuses what has waited for as long as it may, and never begins it', async () => {
    const gate = new Gate({ mostRunning: 1, mostWaiting: 10 })
    const { work, begun, end } = held()
    const a = gate.run(work('a'), forever())
    const c = gate.run(work('c'), forever())
    await expect(gate.run(work('b'), new Patience(20))).rejects.toMatchObject(overloaded)
    end('a')
    await expect.poll(() => begun).toEqual(['a', 'c'])
    end('c')
    await Promise.all([a, c])
    expect([gate.running, gate.waiting]).toEqual([0, 0])
  })

  it('lets the next in after one that failed', async () => {
    const gate = new Gate({ mostRunning: 1, mostWaiting: 10 })
    const lost = gate.run(() => Promise.reject(new Error('lost')), forever())
    const next = gate.run(() => Promise.resolve('next'), forever())
    await expect(lost).rejects.toThrow('lost')
    expect(await next).toBe('next')
  })

  it('counts what one operation waits for over several queues, and what waits side by side once', async () => {
    const patience = new Patience(10_000)
    const queues = [1, 2].map(() => {
      const gate = new Gate({ mostRunning: 1, mostWaiting: 10 })
      const { work, end } = held()
      const first = gate.run(work('first'), forever())
      return { second: gate.run(() => Promise.resolve(), patience), end: () => end('first'), first }
    })
    const before = performance.now()
    await expect.poll(() => patience.leftMs).toBeLessThan(9_900)
    for (const { end } of queues) end()
    await Promise.all(queues.flatMap(({ first, second }) => [first, second]))
    const left = patience.leftMs
    expect(left).toBeGreaterThan(10_000 - 2 * (performance.now() - before) + 90)
    // Nothing of it is used up by what need not wait.
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(patience.leftMs).toBe(left)
    await expect(
      new Gate({ mostRunning: 0, mostWaiting: 10 }).run(() => Promise.resolve(), new Patience(0)),
    ).rejects.toMatchObject(overloaded)
  })

  describe('with lanes', () => {
    const lanes = ['write', 'read', 'event', 'scan'] as const

    it('lets a write in before all else, and a read before an event, and that before a scan', async () => {
      const gate = new Gate({ mostRunning: 1, mostWaiting: 10 })
      const { work, begun, end } = held()
      const all = [gate.run(work('first'), forever())]
      for (const lane of lanes.toReversed()) all.push(gate.run(work(lane), forever(), lane))
      for (const name of ['first', ...lanes]) {
        await expect.poll(() => begun.at(-1)).toBe(name)
        end(name)
      }
      await Promise.all(all)
      expect(begun).toEqual(['first', ...lanes])
      expect([gate.running, gate.waiting]).toEqual([0, 0])
    })

    it('keeps room for each lane, whatever the lanes after it want', async () => {
      const gate = new Gate({ mostRunning: 8, mostWaiting: 20, mostOf: { read: 6, event: 4, scan: 2 } })
      const { work, begun, end } = held()
      const all: Promise<string>[] = []
      const names: string[] = []
      for (const lane of lanes.toReversed()) {
        for (let n = 1; n <= 9; n += 1) {
          names.push(`${lane} ${n}`)
          all.push(gate.run(work(`${lane} ${n}`), forever(), lane))
        }
      }
      const begunOf = (lane: string) => begun.filter((name) => name.startsWith(lane)).length
      expect(lanes.map(begunOf)).toEqual([2, 2, 2, 2])
      expect([gate.running, gate.waiting]).toEqual([8, 28])
      // The place of a write is no scan's, and the place of a scan is anybody's who may have it.
      end('write 1')
      end('scan 1')
      await expect.poll(() => lanes.map(begunOf)).toEqual([4, 2, 2, 2])
      for (let ended = 0; ended < names.length; ended += 1) {
        const name = await vi.waitUntil(() => begun[ended])
        end(name)
      }
      await Promise.all(all)
      expect(begunOf('scan')).toBe(9)
    })

    it('lets a scan and an event go before reads that came a second later: nothing waits for ever', async () => {
      const now = vi.spyOn(performance, 'now').mockReturnValue(0)
      try {
        const gate = new Gate({ mostRunning: 1, mostWaiting: 10 })
        const { work, begun, end } = held()
        const all = [gate.run(work('first'), forever())]
        for (const lane of ['scan', 'event'] as const) all.push(gate.run(work(lane), forever(), lane))
        for (const sinceMs of [499, 501, 999, 1_001]) {
          now.mockReturnValue(sinceMs)
          all.push(gate.run(work(`read ${sinceMs}`), forever(), 'read'))
        }
        all.push(gate.run(work('write'), forever(), 'write'))
        const order = ['first', 'write', 'read 499', 'event', 'read 501', 'read 999', 'scan', 'read 1001']
        for (const name of order) {
          await Promise.resolve()
          await new Promise(setImmediate)
          end(name)
        }
        await Promise.all(all)
        expect(begun).toEqual(order)
      } finally {
        now.mockRestore()
      }
    })

    it('refuses at once what finds its own lane full, and not what comes into another', async () => {
      const gate = new Gate({ mostRunning: 1, mostWaiting: 1 })
      const { work, begun, end } = held()
      const all = [gate.run(work('first'), forever())]
      for (const lane of lanes) all.push(gate.run(work(lane), forever(), lane))
      for (const lane of lanes)
        await expect(gate.run(work('second'), forever(), lane)).rejects.toMatchObject(overloaded)
      for (const name of ['first', ...lanes]) {
        await expect.poll(() => begun.at(-1)).toBe(name)
        end(name)
      }
      await Promise.all(all)
      expect(gate.refused).toBe(4)
    })
  })
})
