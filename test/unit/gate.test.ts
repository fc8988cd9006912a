import { describe, expect, it } from 'vitest'
import { Gate } from '../../src/database/gate.ts'
import { Patience } from '../../src/database/patience.ts'

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
})
