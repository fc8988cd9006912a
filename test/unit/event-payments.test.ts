import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallerRates } from '../../src/limits/caller-rates.ts'
import { EventPayments } from '../../src/operations/streams/event-payments.ts'
import { Reader } from '../../src/operations/streams/mapped-stream.ts'

describe('what events cost', () => {
  let rates: CallerRates
  let payments: EventPayments
  let paid: string[]
  beforeEach(() => {
    vi.useFakeTimers()
    rates = new CallerRates(10)
    payments = new EventPayments(rates)
    paid = []
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function pay(subject: string, name: string, points: number | (() => number), reader = new Reader()) {
    const asked = typeof points === 'number' ? () => points : points
    return payments.pay(subject, { points: asked, onPaid: () => paid.push(name) }, reader)
  }
  const settle = () => vi.advanceTimersByTimeAsync(0)

  it('is taken off the caller’s minute, and what is more than is left waits for the next, in order', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) void pay('ann', name, 4)
    await settle()
    expect(paid).toEqual(['a', 'b'])
    await expect(rates.spend('ann', 3)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
    await vi.advanceTimersByTimeAsync(59_000)
    expect(paid).toEqual(['a', 'b'])
    await vi.advanceTimersByTimeAsync(2_000)
    expect(paid).toEqual(['a', 'b', 'c', 'd'])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(paid).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(payments.size).toBe(0)
  })

  it('leaves the caller the points that are too few for an event', async () => {
    await rates.spend('ann', 5)
    void pay('ann', 'large', 8)
    await settle()
    expect(paid).toEqual([])
    await rates.spend('ann', 5)
  })

  it('is a whole minute’s points where it would be more, so that each event comes', async () => {
    await rates.spend('ann', 1)
    for (const name of ['a', 'b']) void pay('ann', name, 1_000)
    for (let minute = 0; minute < 2; minute += 1) await vi.advanceTimersByTimeAsync(60_001)
    expect(paid).toEqual(['a', 'b'])
  })

  it('comes first in the new minute, so that a caller who asks without a pause gets the events too', async () => {
    await rates.spend('ann', 9)
    void pay('ann', 'event', 10)
    for (let second = 0; second < 61; second += 1) {
      await rates.spend('ann', 1)?.catch(() => undefined)
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(paid).toEqual(['event'])
  })

  it('is nobody else’s: another caller’s event does not wait', async () => {
    await rates.spend('ann', 9)
    void pay('ann', 'ann', 4)
    void pay('ben', 'ben', 4)
    await settle()
    expect(paid).toEqual(['ben'])
  })

  it('is asked when its turn comes', async () => {
    let price = 8
    void pay('ann', 'first', () => price)
    void pay('ann', 'second', () => (paid.includes('first') ? 1 : 8))
    price = 4
    await settle()
    expect(paid).toEqual(['first', 'second'])
    // The first was asked at once, before its price changed: 8 and 1 are taken.
    await rates.spend('ann', 1)
    await expect(rates.spend('ann', 1)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
  })

  it('is not taken for a reader that has left: that one hears at once, and no timer is left behind', async () => {
    await rates.spend('ann', 9)
    const [one, other] = [new Reader(), new Reader()]
    const waiting = [pay('ann', 'one', 4, one), pay('ann', 'other', 4, other)]
    await settle()
    // That of the limiter itself does not keep the process.
    const timers = vi.getTimerCount()
    one.leave()
    expect(await waiting[0]).toBe(false)
    expect(vi.getTimerCount()).toBe(timers)
    other.leave()
    expect(await waiting[1]).toBe(false)
    await settle()
    expect(vi.getTimerCount()).toBe(timers - 1)
    expect([payments.size, one.onLeave, other.onLeave]).toEqual([0, undefined, undefined])
    expect(paid).toEqual([])
  })

  it('leaves nothing behind at a reader once it is paid', async () => {
    const reader = new Reader()
    expect(await pay('ann', 'event', 4, reader)).toBe(true)
    await settle()
    expect([payments.size, reader.onLeave]).toEqual([0, undefined])
  })
})

describe('the points of a scan', () => {
  it('are taken after it, also where fewer are left, and what comes next is refused', async () => {
    const rates = new CallerRates(10)
    await rates.spend('ann', 9)
    rates.charge('ann', 0)
    await rates.spend('ann', 1)
    rates.charge('ann', 50)
    await expect(rates.spend('ann', 1)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
    rates.charge('ben', 50)
    await expect(rates.spend('ben', 1)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
  })

  it('are none where no rate is set', async () => {
    const rates = new CallerRates(0)
    rates.charge('ann', 1_000_000)
    expect(await rates.tryTake('ann', 1_000_000)).toBe(0)
  })
})
