import pino from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, forCaller, openDatabase } from '../../../src/database/database.ts'
import type { Lane } from '../../../src/concurrency/gate.ts'
import { Patience } from '../../../src/concurrency/patience.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'

let stored: TestDatabase
let database: Database

beforeAll(async () => {
  stored = await createTestDatabase()
  const log = pino({ level: 'silent' })
  // Of ten connections callers have eight.
  database = openDatabase({ url: stored.url, poolSize: 10, connectTimeoutMs: 4_000, statementTimeoutMs: 30_000, log })
})
afterAll(async () => {
  await database.close()
  await stored[Symbol.asyncDispose]()
})

it.each([
  ['read', 6],
  ['event', 4],
] satisfies [Lane, number][])('Prisma waits in the lane of its caller: %s, %i at once of ten', async (lane, most) => {
  const { prisma } = forCaller(database, () => new Patience(), { lane })
  await withClient(stored.url, async (client) => {
    await client.query('BEGIN; LOCK TABLE crawler.item_list IN ACCESS EXCLUSIVE MODE')
    const reads = Promise.allSettled(Array.from({ length: 10 }, () => prisma.itemList.findMany()))
    const state = () => ({ running: database.gate.running, waiting: database.gate.waiting })
    await expect.poll(state, { interval: 5 }).toEqual({ running: most, waiting: 10 - most })
    await client.query('ROLLBACK')
    await reads
  })
})
