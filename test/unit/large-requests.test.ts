import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { LargeRequests } from '../../src/limits/large-requests.ts'

/** Requests that are parsed when the test says so. */
function held(requests: LargeRequests) {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  return {
    begun,
    run: (subject: string, name: string, bytes = 10_000) =>
      requests.run(subject, bytes, () => {
        begun.push(name)
        return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
      }),
    end: (name: string) => {
      ends.get(name)?.()
    },
  }
}

const OVERLOADED = { code: 'OVERLOADED', retryAfterSeconds: 1 }

describe('large requests', () => {
  it('are parsed one at a time, the callers by turns, each in the order in which it sent them', async () => {
    const requests = new LargeRequests()
    const { run, begun, end } = held(requests)
    const parsed = ['a1', 'a2', 'a3', 'b1', 'b2', 'e1'].map((name) => run(name.slice(0, 1), name))
    expect(requests.waiting).toBe(5)
    const order = ['a1', 'a2', 'b1', 'e1', 'a3', 'b2']
    for (const [place, name] of order.entries()) {
      await expect.poll(() => begun).toEqual(order.slice(0, place + 1))
      end(name)
    }
    expect(await Promise.all(parsed)).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'e1'])
    expect(requests.waiting).toBe(0)
  })

  it('leave the event loop to others for as long as the last one took', async () => {
    const requests = new LargeRequests()
    const block = (ms: number) => {
      for (const until = performance.now() + ms; performance.now() < until;);
      return Promise.resolve(performance.now())
    }
    const [first, second] = [requests.run('a', 1, () => block(100)), requests.run('b', 1, () => block(0))]
    expect((await second) - (await first)).toBeGreaterThan(95)
  })

  it('are refused where their turn does not come in time, and not begun then', async () => {
    const requests = new LargeRequests({ patienceMs: 20 })
    const { run, begun, end } = held(requests)
    const first = run('a', 'first')
    await expect(run('b', 'late')).rejects.toMatchObject(OVERLOADED)
    end('first')
    await first
    await delay(20)
    expect(begun).toEqual(['first'])
    expect(requests).toMatchObject({ waiting: 0, refused: 1 })
  })

  it('are refused where too many bytes of their caller wait, and others are not', async () => {
    const requests = new LargeRequests({ mostWaitingBytes: 20_000 })
    const { run, end, begun } = held(requests)
    const parsed = [run('a', 'a1'), run('a', 'a2'), run('a', 'a3')]
    await expect(run('a', 'a4')).rejects.toMatchObject(OVERLOADED)
    parsed.push(run('b', 'b1'))
    for (const name of ['a1', 'a2', 'b1', 'a3']) {
      await expect.poll(() => begun).toContain(name)
      end(name)
    }
    expect(await Promise.all(parsed)).toEqual(['a1', 'a2', 'a3', 'b1'])
  })

  it('go on after one that failed', async () => {
    const requests = new LargeRequests()
    const fail = () => Promise.reject(new Error('no JSON'))
    await expect(requests.run('a', 1, fail)).rejects.toThrow('no JSON')
    expect(await requests.run('a', 1, () => Promise.resolve('parsed'))).toBe('parsed')
  })
})
