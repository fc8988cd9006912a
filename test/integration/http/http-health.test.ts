import { buildSchema } from 'graphql'
import { describe, expect, it, vi } from 'vitest'
import { type Readiness, shareReadiness } from '../../../src/http/health.ts'
import { rawRequest, serve, until } from './http-support.ts'

const schema = buildSchema('type Query { a: Int }')

describe('GET /health', () => {
  it('answers that the process lives, whatever the database does', async () => {
    const server = await serve(schema, { isReady: () => Promise.resolve({ ready: false, reason: 'no database' }) })
    expect(await rawRequest(server, '/health')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
    expect(await rawRequest(server, '/health?probe=1')).toMatchObject({ status: 200 })
  })

  it('answers HEAD without a body and refuses other methods', async () => {
    const server = await serve(schema)
    for (const path of ['/health', '/ready']) {
      expect(await rawRequest(server, path, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
      expect(await rawRequest(server, path, { method: 'POST' })).toMatchObject({
        status: 405,
        headers: { allow: 'GET, HEAD' },
      })
    }
  })

  it('is no other path that looks like it, whoever asks how', async () => {
    const server = await serve(schema)
    for (const probe of ['health', 'ready']) {
      for (const path of [`/graphql?x=/${probe}`, `/graphql?/${probe}`]) {
        const { status, text } = await rawRequest(server, path)
        expect([path, status, text]).toEqual([path, 400, expect.stringContaining('must have a member \\"query\\"')])
      }
      const others = [
        `//${probe}`,
        `/${probe}/`,
        `/x/${probe}`,
        `/${probe}z`,
        `/.//${probe}`,
        `/x/../${probe}`,
        `/%68ealth`,
      ]
      const asked = [
        ...others,
        `/${probe.toUpperCase()}`,
        `/${probe};x`,
        `/${probe}%00`,
        `/?/${probe}`,
        `http://x/${probe}`,
      ]
      for (const path of asked) expect(await rawRequest(server, path), path).toMatchObject({ status: 404 })
    }
  })

  it('is logged at debug level only, and so is /ready', async () => {
    const server = await serve(schema)
    await rawRequest(server, '/health')
    await rawRequest(server, '/ready')
    await until(() => {
      expect(server.log).toMatchObject([
        { level: 20, path: '/health', status: 200 },
        { level: 20, path: '/ready', status: 200 },
      ])
    })
  })
})

describe('GET /ready', () => {
  it('follows the database', async () => {
    let state: { ready: boolean; reason?: string } = { ready: true }
    const server = await serve(schema, { isReady: () => Promise.resolve(state) })
    expect(await rawRequest(server, '/ready')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
    state = { ready: false, reason: 'the database does not answer' }
    expect(await rawRequest(server, '/ready')).toMatchObject({
      status: 503,
      text: '{"status":"unavailable","reason":"the database does not answer"}',
    })
    state = { ready: true }
    expect(await rawRequest(server, '/ready')).toMatchObject({ status: 200 })
  })

  it('is 503 without details where the check itself fails; the log has them', async () => {
    const server = await serve(schema, { isReady: () => Promise.reject(new Error('password of waymark is wrong')) })
    const answer = await rawRequest(server, '/ready')
    expect(answer.status).toBe(503)
    expect(answer.text).not.toContain('password')
    expect(server.logText()).toContain('password of waymark is wrong')
  })
})

describe('the check behind GET /ready', () => {
  /** Checks that end when the test says so. */
  function checks() {
    const ends: ((readiness: Readiness) => void)[] = []
    const ask = shareReadiness(() => new Promise((resolve) => ends.push(resolve)))
    return { ends, ask }
  }

  it('is one for all who ask while it runs, and for a second', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const { ends, ask } = checks()
      const asked = Array.from({ length: 100 }, ask)
      vi.advanceTimersByTime(5_000)
      asked.push(ask())
      expect(ends).toHaveLength(1)
      ends[0]?.({ ready: true })
      expect(new Set(await Promise.all(asked))).toEqual(new Set([{ ready: true }]))
      const next = ask()
      expect(ends).toHaveLength(2)
      ends[1]?.({ ready: false })
      expect(await next).toEqual({ ready: false })
      vi.advanceTimersByTime(999)
      expect(await ask()).toEqual({ ready: false })
      vi.advanceTimersByTime(1)
      void ask()
      expect(ends).toHaveLength(3)
    } finally {
      vi.useRealTimers()
    }
  })

  it('is made again after one that failed', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      let made = 0
      const ask = shareReadiness(() => {
        made += 1
        return made === 1 ? Promise.reject(new Error('no connection')) : Promise.resolve({ ready: true })
      })
      await expect(ask()).rejects.toThrow('no connection')
      vi.advanceTimersByTime(1_000)
      expect(await ask()).toEqual({ ready: true })
    } finally {
      vi.useRealTimers()
    }
  })
})
