import { describe, expect, it, vi } from 'vitest'
import { createGroupCommit } from '../../src/concurrency/group-commit.ts'

/** A write that the test lets through, set by set. */
function controlledWrite() {
  const sets: {
    commands: readonly string[]
    answer: (outcomes: (string | Promise<string>)[]) => void
    fail: (error: Error) => void
  }[] = []
  const write = (commands: readonly string[]) =>
    new Promise<readonly (string | Promise<string>)[]>((resolve, reject) => {
      sets.push({ commands, answer: resolve, fail: reject })
    })
  return { sets, write }
}

describe('group commit', () => {
  it('writes a lone command at once', async () => {
    const { sets, write } = controlledWrite()
    const { submit } = createGroupCommit(write, { maxSetSize: 10 })
    const outcome = submit('a')
    await expect.poll(() => sets.length).toBe(1)
    sets[0]?.answer(['A'])
    expect(await outcome).toBe('A')
  })

  it('gathers what comes while a set is in flight, and answers each command with its own outcome', async () => {
    const { sets, write } = controlledWrite()
    const { submit } = createGroupCommit(write, { maxSetSize: 10 })
    const first = submit('a')
    await expect.poll(() => sets.length).toBe(1)
    const rest = [submit('b'), submit('c'), submit('d')]
    await new Promise((resolve) => setImmediate(resolve))
    expect(sets).toHaveLength(1)
    sets[0]?.answer(['A'])
    await expect.poll(() => sets.length).toBe(2)
    expect(sets[1]?.commands).toEqual(['b', 'c', 'd'])
    sets[1]?.answer(['B', 'C', 'D'])
    expect(await Promise.all([first, ...rest])).toEqual(['A', 'B', 'C', 'D'])
  })

  it('sends the set that waits before it answers the one that is written', async () => {
    const happened: string[] = []
    const rest: Promise<unknown>[] = []
    const { submit } = createGroupCommit<string, string>(
      async (commands) => {
        // As the pool does: it hands a connection out on the next tick.
        await new Promise<void>((resolve) => {
          process.nextTick(resolve)
        })
        happened.push(`sent ${commands.join()}`)
        if (commands[0] === 'a') rest.push(save('b'))
        await new Promise((resolve) => setImmediate(resolve))
        return commands
      },
      { maxSetSize: 10 },
    )
    const save = async (command: string) => happened.push(`answered ${await submit(command)}`)
    await save('a')
    await Promise.all(rest)
    expect(happened).toEqual(['sent a', 'sent b', 'answered a', 'answered b'])
  })

  it('hands an outcome on that was rejected while the next set was sent', async () => {
    const { sets, write } = controlledWrite()
    const { submit } = createGroupCommit(write, { maxSetSize: 10 })
    const refused = expect(submit('a')).rejects.toThrow('refused')
    await expect.poll(() => sets.length).toBe(1)
    const next = submit('b')
    sets[0]?.answer([Promise.reject(new Error('refused'))])
    await refused
    sets[1]?.answer(['B'])
    expect(await next).toBe('B')
  })

  it('makes sets of at most the given size', async () => {
    const sizes: number[] = []
    const { submit } = createGroupCommit<number, number>(
      (commands) => {
        sizes.push(commands.length)
        return Promise.resolve(commands)
      },
      { maxSetSize: 4 },
    )
    await Promise.all(Array.from({ length: 10 }, (_, index) => submit(index)))
    expect(sizes).toEqual([4, 4, 2])
  })

  it('fails the commands of a set that failed, and goes on with the next', async () => {
    const { sets, write } = controlledWrite()
    const { submit } = createGroupCommit(write, { maxSetSize: 10 })
    const lost = [submit('a'), submit('b')]
    await expect.poll(() => sets.length).toBe(1)
    const next = submit('c')
    sets[0]?.fail(new Error('database away'))
    for (const command of lost) await expect(command).rejects.toThrow('database away')
    await expect.poll(() => sets.length).toBe(2)
    sets[1]?.answer(['C'])
    expect(await next).toBe('C')
  })

  it('fails what has waited long behind a set that met an outage, and tries what has just come', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const { sets, write } = controlledWrite()
      const isOutage = (error: unknown) => error instanceof Error && error.message === 'database away'
      const { submit } = createGroupCommit(write, { maxSetSize: 10, isOutage })
      const lost = [submit('a')]
      await expect.poll(() => sets.length).toBe(1)
      lost.push(submit('b'))
      vi.advanceTimersByTime(251)
      const next = submit('c')
      sets[0]?.fail(new Error('database away'))
      for (const command of lost) await expect(command).rejects.toThrow('database away')
      await expect.poll(() => sets.length).toBe(2)
      expect(sets[1]?.commands).toEqual(['c'])
      const patient = submit('d')
      vi.advanceTimersByTime(10_000)
      sets[1]?.fail(new Error('a defect'))
      await expect(next).rejects.toThrow('a defect')
      await expect.poll(() => sets.length).toBe(3)
      sets[2]?.answer(['D'])
      expect(await patient).toBe('D')
    } finally {
      vi.useRealTimers()
    }
  })

  it('does not wait for a command that its set answered with a promise', async () => {
    const { sets, write } = controlledWrite()
    const { submit } = createGroupCommit(write, { maxSetSize: 10 })
    const [slow, quick] = [submit('slow'), submit('quick')]
    await expect.poll(() => sets.length).toBe(1)
    let finish: (outcome: string) => void = () => undefined
    sets[0]?.answer([new Promise((resolve) => (finish = resolve)), 'QUICK'])
    expect(await quick).toBe('QUICK')
    const next = submit('next')
    await expect.poll(() => sets.length).toBe(2)
    sets[1]?.answer(['NEXT'])
    expect(await next).toBe('NEXT')
    finish('SLOW')
    expect(await slow).toBe('SLOW')
  })

  it('fails a command that its set left unanswered, instead of leaving it hanging', async () => {
    const { submit } = createGroupCommit<string, string>(() => Promise.resolve([]), { maxSetSize: 10 })
    await expect(submit('a')).rejects.toThrow(/answered by 0/)
  })
})

describe('the queue of a group commit has an end', () => {
  const overloaded = { name: 'Fault', code: 'OVERLOADED' }

  it('refuses what has waited behind a set for as long as it may, and never sends it', async () => {
    const { sets, write } = controlledWrite()
    const saves = createGroupCommit(write, { maxSetSize: 10, patienceMs: 50 })
    const first = saves.submit('a')
    await expect.poll(() => sets.length).toBe(1)
    await expect(saves.submit('b')).rejects.toMatchObject(overloaded)
    await expect(saves.submit('c')).rejects.toMatchObject(overloaded)
    expect([saves.waiting, saves.refused]).toEqual([0, 2])
    sets[0]?.answer(['A'])
    expect(await first).toBe('A')
    const next = saves.submit('d')
    await expect.poll(() => sets.length).toBe(2)
    expect(sets[1]?.commands).toEqual(['d'])
    sets[1]?.answer(['D'])
    expect(await next).toBe('D')
  })

  it('lets a command that may wait longer do so, beside those that may not', async () => {
    const { sets, write } = controlledWrite()
    const saves = createGroupCommit(write, { maxSetSize: 10, patienceMs: 50 })
    const first = saves.submit('a')
    await expect.poll(() => sets.length).toBe(1)
    const patient = saves.submit('b', 60_000)
    await expect(saves.submit('c')).rejects.toMatchObject(overloaded)
    expect(saves.waiting).toBe(1)
    sets[0]?.answer(['A'])
    await expect.poll(() => sets.length).toBe(2)
    sets[1]?.answer(['B'])
    expect(await Promise.all([first, patient])).toEqual(['A', 'B'])
  })

  it('refuses at once what finds it full', async () => {
    const { sets, write } = controlledWrite()
    const saves = createGroupCommit(write, { maxSetSize: 10, mostWaiting: 2 })
    const first = saves.submit('a')
    await expect.poll(() => sets.length).toBe(1)
    const waiting = [saves.submit('b'), saves.submit('c')]
    expect(saves.waiting).toBe(2)
    await expect(saves.submit('d')).rejects.toMatchObject(overloaded)
    sets[0]?.answer(['A'])
    await expect.poll(() => sets.length).toBe(2)
    sets[1]?.answer(['B', 'C'])
    expect(await Promise.all([first, ...waiting])).toEqual(['A', 'B', 'C'])
  })
})
