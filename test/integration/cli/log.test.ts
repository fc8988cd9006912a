import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createTestDatabase } from '../../support/database.ts'
import { startServer } from '../../support/server-process.ts'

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

describe('a log of a process that ends', () => {
  it.each([
    ['on purpose', 'process.exit(3)', 3],
    ['by an error that nobody caught', 'throw new Error("x")', 1],
  ])('%s has each line that was written before, in order', async (_, end, code) => {
    const log = fileURLToPath(new URL('../../../dist/observability/log.js', import.meta.url))
    const program =
      `const { createServerLog } = await import(${JSON.stringify(log)}); const log = createServerLog('info'); ` +
      `for (let n = 0; n < 1_000; n += 1) log.info({ n }, 'line'); await null; log.info({ n: 1_000 }, 'line'); ${end}`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program])
    const seen: number[] = []
    createInterface({ input: child.stdout }).on('line', (text) => seen.push((JSON.parse(text) as { n: number }).n))
    expect(await once(child, 'close')).toEqual([code, null])
    expect(seen).toEqual(Array.from({ length: 1_001 }, (_line, n) => n))
  })
})

describe('a log of which more is written than is kept', () => {
  const LINES = 60_000
  const talkative = fileURLToPath(new URL('talkative.mjs', import.meta.url))

  it('says how many lines were dropped, and has the others and the last', async () => {
    const child = spawn(process.execPath, [talkative, String(LINES)])
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stderr, 'data')
    const counts = { line: 0, dropped: 0, last: 0 }
    const closed = once(child, 'close')
    createInterface({ input: child.stdout }).on('line', (text) => {
      const { msg, lines = 0 } = JSON.parse(text) as { msg: string; lines?: number }
      if (msg === 'line') counts.line += 1
      else if (msg === 'last') counts.last += 1
      else {
        counts.dropped += lines
        child.stdin.write('go on\n')
      }
    })
    expect(await closed).toEqual([0, null])
    expect(counts.dropped).toBeGreaterThan(0)
    expect(counts).toEqual({ line: LINES - counts.dropped, dropped: counts.dropped, last: 1 })
  })

  it.runIf(process.platform === 'linux')('neither stops nor hangs its process where the disk is full', async () => {
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [talkative, String(LINES)], { stdio: ['pipe', full, 'pipe'] })
    onTestFinished(() => {
      child.kill('SIGKILL')
      closeSync(full)
    })
    const exited = once(child, 'exit')
    if (!child.stdin || !child.stderr) throw new Error('it has no pipes')
    await once(child.stderr, 'data')
    child.stdin.write('go on\n')
    expect(await exited).toEqual([0, null])
  })
})
