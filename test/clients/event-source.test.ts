import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../src/app.ts'
import { cuttableWay } from '../integration/http/cuttable-way.ts'
import { findChromium, needsChromium } from '../support/chromium.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { scrape } from '../support/metrics.ts'
import { clientOf, mutate, startOn } from '../support/waymark.ts'
import { DocumentedProject } from './documented-project.ts'

const executablePath = findChromium()
const patience = { timeout: 20_000 }

/** A site of somebody's, with an empty page. */
async function serveSite(): Promise<{ readonly server: Server; readonly origin: string }> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title><body></body>')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  // By another name than 127.0.0.1, so that it is another site to the browser, not only another port.
  return { server, origin: `http://localhost:${(server.address() as AddressInfo).port}` }
}

describe.skipIf(!executablePath)(
  `the EventSource of docs/clients.md, in a browser${executablePath ? '' : ` (${needsChromium})`}`,
  { timeout: 90_000 },
  () => {
    let database: TestDatabase
    let app: App
    let allowed: Awaited<ReturnType<typeof serveSite>>
    let other: Awaited<ReturnType<typeof serveSite>>
    let browser: Browser
    let script: string
    let sessions = 0

    beforeAll(async () => {
      allowed = await serveSite()
      other = await serveSite()
      database = await createTestDatabase()
      app = await startOn(database.url, { ALLOWED_ORIGINS: allowed.origin, METRICS_PORT: '0' })
      await mutate(clientOf(app.url), 'registerUser', { userId: 'alice' })
      await using project = await DocumentedProject.create()
      await project.use(app.url)
      script = await project.read('event-source.js')
      browser = await chromium.launch({
        executablePath: executablePath ?? '',
        chromiumSandbox: false,
        args: ['--disable-gpu', '--disable-quic'],
      })
    }, 90_000)
    afterAll(async () => {
      await browser.close()
      await app.close()
      await database[Symbol.asyncDispose]()
      for (const { server } of [allowed, other]) server.close().closeAllConnections()
    })

    const streams = async () => (await scrape(app.metricsUrl ?? '')).get('waymark_streams{transport="sse"}')
    async function open(url: string): Promise<Page> {
      const page = await browser.newPage()
      await page.goto(url)
      return page
    }
    const run = (page: Page) => page.addScriptTag({ content: script })
    async function expectToFollow(url: string): Promise<void> {
      const page = await open(url)
      await run(page)
      await expect.poll(streams, patience).toBe(1)
      const sessionId = `watched-${(sessions += 1)}`
      await mutate(clientOf(app.url), 'startSession', { userId: 'alice', sessionId, takeover: true })
      await expect.poll(() => page.locator('body').innerText(), patience).toContain(`STARTED ${sessionId}`)
      await page.close()
      await expect.poll(streams, patience).toBe(0)
    }

    it('follows the sessions from a page of the server’s own', async () => {
      await expectToFollow(new URL('/health', app.url).href)
    })

    it('follows them from a page of an allowed origin', async () => {
      await expectToFollow(allowed.origin)
    })

    it('goes on after a lost connection with what was missed, and nothing twice', async () => {
      await using way = await cuttableWay(app.url)
      const page = await open(allowed.origin)
      await page.addScriptTag({ content: script.replaceAll(new URL(app.url).host, new URL(way.url).host) })
      await expect.poll(streams, patience).toBe(1)
      const [sessionId, next] = ['cut-off', 'after-the-cut']
      await mutate(clientOf(app.url), 'startSession', { userId: 'alice', sessionId, takeover: true })
      const told = () => page.locator('body').innerText()
      await expect.poll(told, patience).toContain(`STARTED ${sessionId}`)
      way.cut()
      await mutate(clientOf(app.url), 'completeSession', { sessionId })
      way.leadTo(app.url)
      await expect.poll(told, patience).toContain(`STATUS_CHANGED ${sessionId}`)
      await mutate(clientOf(app.url), 'startSession', { userId: 'alice', sessionId: next })
      await expect.poll(told, patience).toContain(`STARTED ${next}`)
      expect((await told()).split(`STARTED ${sessionId}`)).toHaveLength(2)
      await page.close()
      await expect.poll(streams, patience).toBe(0)
    })

    it('is refused from a page of any other site, which opens no stream', async () => {
      const page = await open(other.origin)
      // The browser keeps the answer from the page, so what it tells of the request is that it failed.
      const failed = page.waitForEvent('requestfailed', {
        predicate: (request) => request.url().startsWith(app.url),
        ...patience,
      })
      await run(page)
      await failed
      await mutate(clientOf(app.url), 'startSession', { userId: 'alice', sessionId: 'unseen', takeover: true })
      expect(await streams()).toBe(0)
      expect(await page.locator('body').innerText()).toBe('')
      await page.close()
    })
  },
)
