import { Writable } from 'node:stream'
import { setImmediate as turn, setTimeout as turnAfter } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { type Load, watchLoad } from '../../src/limits/load.ts'

/** Holds the event loop up, as one long computation does. */
function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

let load: Load | undefined
afterEach(() => load?.close())

function watch(paces: Parameters<typeof watchLoad>[2]) {
  const messages: string[] = []
  const sink = new Writable({
    write(line: Buffer, _encoding, done) {
      messages.push((JSON.parse(line.toString()) as { msg: string }).msg)
      done()
    },
  })
  load = watchLoad({ statements: { waiting: 3, refused: 0 } }, pino(sink), paces)
  return { load, messages }
}

describe('an event loop', () => {
  it.each([
    ['by what is read', () => turn()],
    ['by timers', () => turnAfter(1)],
  ])(
    'that is late again and again %s has everything new refused until it is not, with a line in the log at either end',
    async (_, next) => {
      const { load, messages } = watch({ lookMs: 50, mostLagMs: 150, quietMs: 100 })
      await expect.poll(() => load.state().isShedding).toBe(false)
      for (let blocks = 0; blocks < 50 && !load.state().isShedding; blocks += 1) {
        block(200)
        await next()
      }
      expect(load.findOverload()).toMatchObject({ name: 'Fault', code: 'OVERLOADED', retryAfterSeconds: 1 })
      expect(load.state().lagMs).toBeGreaterThan(150)
      expect(load.state().queues).toEqual({
        statements: { waiting: 3, refused: 0 },
        requests: { waiting: 0, refused: 1 },
      })
      await expect.poll(() => load.findOverload(), { timeout: 10_000 }).toBeUndefined()
      await expect
        .poll(() => messages, { timeout: 10_000 })
        .toEqual([
          'overloaded: some requests are refused with OVERLOADED',
          'no longer overloaded: all requests are served again',
        ])
      expect(load.state().isShedding).toBe(false)
    },
  )

  it('that is late once, however long, has nothing refused', async () => {
    const { load, messages } = watch({ lookMs: 50, mostLagMs: 300 })
    await expect.poll(() => load.state().lagMs, { interval: 5 }).toBeLessThan(100)
    block(1_500)
    for (let turns = 0; turns < 100 && load.state().lagMs < 300; turns += 1) await turn()
    expect(load.state().lagMs).toBeGreaterThan(300)
    expect(load.findOverload()).toBeUndefined()
    await expect.poll(() => load.state().lagMs).toBeLessThan(100)
    expect(load.findOverload()).toBeUndefined()
    expect(messages).toEqual([])
  })
})
