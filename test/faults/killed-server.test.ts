import { expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { expectEachSavedOnce, KeyedWriters, RETRIABLE } from './keyed-writers.ts'
import { rounds, tell } from './rounds.ts'

const KILLS = rounds(50, 3)

it(
  `kill -9 of the server loses no acknowledged save, and writes none twice (${KILLS} times under 16 writers)`,
  { timeout: 900_000 },
  async () => {
    await using database = await createTestDatabase()
    const start = () => startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'warn' })
    let server = await start()
    try {
      for (const userId of KeyedWriters.users()) await mutate(clientOf(server.url), 'registerUser', { userId })
      const writers = new KeyedWriters(() => server.url)
      for (let kill = 0; kill < KILLS; kill += 1) {
        await writers.goOn()
        server.child.kill('SIGKILL')
        await server.exited
        server = await start()
      }
      await writers.goOn()
      await writers.stop()

      await expectEachSavedOnce(database.url, writers)
      expect([...writers.failures.keys()].filter((code) => ![...RETRIABLE, 'network'].includes(code))).toEqual([])
      expect(writers.failures.get('network')).toBeGreaterThan(0)
      tell(`fault 1: ${KILLS} kills, ${writers.count} acknowledged saves, each stored once`)
    } finally {
      await server[Symbol.asyncDispose]()
    }
  },
)
