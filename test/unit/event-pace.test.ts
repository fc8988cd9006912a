import { describe, expect, it } from 'vitest'
import { EventPace } from '../../src/operations/streams/event-pace.ts'

const turn = () => new Promise(setImmediate)

/** Events whose making ends when the test says so. */
function held(pace: EventPace) {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  return {
    begun,
    run: (subject: string, name: string, objects: number) =>
      Promise.resolve(
        pace.run(subject, objects, () => {
          begun.push(name)
          return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
        }),
      ),
    end: async (name: string) => {
      ends.get(name)?.()
      for (let n = 0; n < 3; n += 1) await turn()
    },
  }
}

describe('the pace of events', () => {
  it('makes an event at once while there is room, and what needs no read without a promise', () => {
    const pace = new EventPace(10)
    const { run, begun } = held(pace)
    void run('ann', 'a', 5)
    void run('ben', 'b', 5)
    expect(begun).toEqual(['a', 'b'])
    expect(new EventPace(10).run('ann', 50, () => 'made')).toBe('made')
  })

  it('lets callers go by turns, however much one of them wants', async () => {
    const pace = new EventPace(10)
    const { run, begun, end } = held(pace)
    const made = [run('ann', 'a1', 10)]
    for (const name of ['a2', 'a3', 'a4']) made.push(run('ann', name, 10))
    made.push(run('ben', 'b1', 10), run('ben', 'b2', 10), run('eve', 'e1', 10))
    const order = ['a1', 'a2', 'b1', 'e1', 'a3', 'b2', 'a4']
    for (const name of order) {
      expect(begun.at(-1)).toBe(name)
      await end(name)
    }
    expect(await Promise.all(made)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'e1'])
    expect(begun).toEqual(order)
    expect(pace.waiting).toBe(0)
  })

  it('gives an event that is larger than all the room the room to itself', async () => {
    const pace = new EventPace(10)
    const { run, begun, end } = held(pace)
    const made = [run('ann', 'small', 1), run('ben', 'large', 50), run('eve', 'other', 1)]
    expect(begun).toEqual(['small'])
    await end('small')
    expect(begun).toEqual(['small', 'large'])
    await end('large')
    expect(begun).toEqual(['small', 'large', 'other'])
    await end('other')
    await Promise.all(made)
  })

  it('lets the event loop turn between events that need no read', async () => {
    const pace = new EventPace(10)
    const { run, end } = held(pace)
    const first = run('ann', 'first', 10)
    let made = 0
    const rest = Array.from({ length: 40 }, () => Promise.resolve(pace.run('ann', 5, () => (made += 1))))
    await end('first')
    const byTurn = []
    while (made < 40) {
      byTurn.push(made)
      await turn()
    }
    expect(byTurn.length).toBeGreaterThan(10)
    await Promise.all([first, ...rest])
  })

  it('goes on after an event that failed, at once or later, and tells whoever wanted it', async () => {
    const pace = new EventPace(10)
    const fail = () => {
      throw new Error('broken')
    }
    expect(() => pace.run('ann', 10, fail)).toThrow('broken')
    const { run, end, begun } = held(pace)
    const first = run('ann', 'first', 10)
    const broken = [pace.run('ann', 10, fail), pace.run('ann', 10, () => Promise.reject(new Error('later')))]
    const told = Promise.allSettled(broken)
    const next = run('ann', 'next', 10)
    await end('first')
    expect(await told).toMatchObject([{ reason: { message: 'broken' } }, { reason: { message: 'later' } }])
    await expect.poll(() => begun).toEqual(['first', 'next'])
    await end('next')
    expect(await Promise.all([first, next])).toEqual(['first', 'next'])
  })
})
