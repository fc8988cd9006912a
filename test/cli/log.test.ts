import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { startServer } from '../support/server-process.ts'

vi.setConfig({ testTimeout: 120_000 })

const REQUESTS = 3_000
const AT_ONCE = 50

/** A line of the log for each is more than a pipe holds: 64 KiB, or 208 KiB where it is a socket. */
async function ask(url: string): Promise<number> {
  let [asked, answered] = [0, 0]
  const caller = async () => {
    while (asked < REQUESTS) {
      asked += 1
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-id': `${asked}`.padStart(64, '0') },
        body: '{"query":"{ viewer { subject } }"}',
      })
      await response.text()
      if (response.status === 200) answered += 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, caller))
  return answered
}

async function startUnread() {
  const database = await createTestDatabase()
  const server = await startServer({ DATABASE_URL: database.url })
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })
  server.child.stdout?.pause()
  return server
}

describe('a server whose log nobody reads', () => {
  it('answers all the same, and has each line once for who reads it later', async () => {
    const server = await startUnread()
    expect(await ask(server.url)).toBe(REQUESTS)
    server.child.stdout?.resume()
    const ids = () =>
      server.lines.flatMap((line) => {
        const { requestId } = JSON.parse(line) as { requestId?: string }
        return requestId === undefined ? [] : [Number(requestId)]
      })
    await expect.poll(() => ids().length, { timeout: 30_000 }).toBe(REQUESTS)
    expect(new Set(ids()).size).toBe(REQUESTS)
  })

  it('ends on SIGTERM', async () => {
    const server = await startUnread()
    expect(await ask(server.url)).toBe(REQUESTS)
    server.child.kill('SIGTERM')
    expect(await server.exited).toEqual({ code: 0, signal: null })
  })
})
