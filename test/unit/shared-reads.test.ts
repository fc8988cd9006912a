import { describe, expect, it } from 'vitest'
import { createSharedReads } from '../../src/concurrency/shared-reads.ts'
import { Fault } from '../../src/errors/fault.ts'

/** A database whose statements end when they are told to. */
function readsOf(
  answer: (keys: readonly string[]) => readonly (string | Error)[] = (keys) => keys.map((key) => `${key}!`),
) {
  const sets: (readonly string[])[] = []
  const ends: (() => void)[] = []
  const reads = createSharedReads<string, string>(async (keys) => {
    sets.push(keys)
    await new Promise<void>((resolve) => ends.push(resolve))
    return answer(keys)
  }, String)
  const endNext = async () => {
    await expect.poll(() => ends.length).toBeGreaterThan(0)
    ends.shift()?.()
  }
  return { reads, sets, endNext }
}

describe('reads by key that come at the same time', () => {
  it('are one set, also where promises lie between them, and each gets its own', async () => {
    const { reads, sets, endNext } = readsOf()
    const later = Promise.resolve()
      .then(() => undefined)
      .then(() => reads.load('c'))
    const all = Promise.all([reads.load('a'), reads.load('b'), later])
    await endNext()
    expect(await all).toEqual(['a!', 'b!', 'c!'])
    expect(sets).toEqual([['a', 'b', 'c']])
  })

  it('gather while a set is being read, and are read after it', async () => {
    const { reads, sets, endNext } = readsOf()
    const first = reads.load('a')
    await expect.poll(() => sets).toHaveLength(1)
    const others = Promise.all([reads.load('b'), reads.load('a')])
    await endNext()
    expect(await first).toBe('a!')
    await endNext()
    expect(await others).toEqual(['b!', 'a!'])
    expect(sets).toEqual([['a'], ['b', 'a']])
  })

  it('are read once where several ask for the same, and again for who asks after the set has begun', async () => {
    const { reads, sets, endNext } = readsOf()
    const early = Promise.all(['a', 'b', 'a', 'a'].map((key) => reads.load(key)))
    await expect.poll(() => sets).toEqual([['a', 'b']])
    const late = Promise.all(['b', 'b'].map((key) => reads.load(key)))
    await endNext()
    expect(await early).toEqual(['a!', 'b!', 'a!', 'a!'])
    await endNext()
    expect(await late).toEqual(['b!', 'b!'])
    expect(sets).toEqual([['a', 'b'], ['b']])
  })

  it('do not wait for a set that never ends', async () => {
    const { reads, sets } = readsOf()
    void reads.load('stuck')
    await expect.poll(() => sets).toHaveLength(1)
    void reads.load('b')
    await expect.poll(() => sets).toEqual([['stuck'], ['b']])
  })

  it('fail alone where one of them cannot be read', async () => {
    const { reads, sets, endNext } = readsOf((keys) => {
      if (keys.includes('bad')) throw new Error('cannot read bad')
      return keys.map((key) => `${key}!`)
    })
    const all = Promise.allSettled(['a', 'bad', 'c', 'd'].map((key) => reads.load(key)))
    for (let end = 0; end < 5; end += 1) await endNext()
    expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(sets).toHaveLength(5)
  })

  it('all fail at once where the database is away', async () => {
    const { reads, sets, endNext } = readsOf(() => {
      throw new Fault('SERVICE_UNAVAILABLE', 'away')
    })
    const all = Promise.allSettled(['a', 'b'].map((key) => reads.load(key)))
    await endNext()
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(sets).toHaveLength(1)
  })

  it('get an error of their own', async () => {
    const { reads, endNext } = readsOf(() => [new Error('not you'), 'b!'])
    const all = Promise.allSettled(['a', 'b'].map((key) => reads.load(key)))
    await endNext()
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })

  it('fail where fewer values came than keys: nobody knows whose is whose', async () => {
    const { reads, endNext } = readsOf(() => ['a!'])
    const all = Promise.allSettled(['a', 'b'].map((key) => reads.load(key)))
    await endNext()
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})
