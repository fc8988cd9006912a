import { AsyncLocalStorage } from 'node:async_hooks'
import pg from 'pg'
import { expect, inject, it } from 'vitest'
import { traceStatements } from '../../../src/database/traced-pool.ts'

it('a statement is followed as its sender’s, also where it waited for a connection that another gave back', async () => {
  const sender = new AsyncLocalStorage<number>()
  const seen: unknown[] = []
  const ended: unknown[] = []
  const pool = new pg.Pool({ connectionString: inject('serverUrl'), max: 1 })
  traceStatements(pool, {
    begin(text, name) {
      const who = sender.getStore()
      seen.push({ who, text, name })
      return (error) => ended.push({ who, failed: error !== undefined && error !== null })
    },
  })
  try {
    const senders = Array.from({ length: 10 }, (_, index) => index)
    await Promise.all(
      senders.map((index) =>
        sender.run(index, () => pool.query({ name: `n${index}`, text: 'SELECT $1', values: [1] })),
      ),
    )
    expect(seen).toEqual(senders.map((index) => ({ who: index, text: 'SELECT $1', name: `n${index}` })))
    expect(ended).toEqual(senders.map((index) => ({ who: index, failed: false })))

    const client = await pool.connect()
    await expect(sender.run(11, () => client.query('SELECT 1/0'))).rejects.toThrow('division by zero')
    client.release()
    expect(seen.at(-1)).toEqual({ who: 11, text: 'SELECT 1/0', name: undefined })
    expect(ended.at(-1)).toEqual({ who: 11, failed: true })
  } finally {
    await pool.end()
  }
})
