import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../integration/docs/markdown.ts'
import { findChromium, needsChromium } from '../support/chromium.ts'
import { keyedCaller } from '../support/keyed-callers.ts'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'

const MOST_LINES = 60
const executablePath = findChromium()
const patience = { timeout: 30_000 }

describe(`examples/dashboard.html`, () => {
  it(`has at most ${MOST_LINES} lines`, async () => {
    const text = await readFile(join(root, 'examples/dashboard.html'), 'utf8')
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(MOST_LINES)
  })
})

describe.skipIf(!executablePath)(
  `examples/dashboard.html in a browser${executablePath ? '' : ` (${needsChromium})`}`,
  { timeout: 90_000 },
  () => {
    let files: Server
    let page: string
    let waymark: TestWaymark
    let browser: Browser
    beforeAll(async () => {
      const html = await readFile(join(root, 'examples/dashboard.html'))
      files = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html))
      await once(files.listen(0, '127.0.0.1'), 'listening')
      const origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`
      waymark = await startWaymark({ AUTHENTICATION: 'keys', ALLOWED_ORIGINS: origin })
      page = `${origin}/dashboard.html#${waymark.url}`
      browser = await chromium.launch({
        executablePath: executablePath ?? '',
        chromiumSandbox: false,
        args: ['--disable-gpu', '--disable-quic'],
      })
    })
    afterAll(async () => {
      await browser.close()
      await waymark[Symbol.asyncDispose]()
      files.closeAllConnections()
      files.close()
    })

    it('asks for the key, shows the sessions, and shows what becomes of them', async () => {
      const operator = await keyedCaller(waymark, ['read', 'crawl', 'operate'])
      await mutate(operator, 'registerUser', { userId: 'alice' })
      const started = await mutate(operator, 'startSession', { userId: 'alice' })
      const tab = await browser.newPage()
      const asked: string[] = []
      tab.on('dialog', (dialog) => {
        asked.push(dialog.message())
        void dialog.accept(operator.authorization.replace('Bearer ', ''))
      })
      await tab.goto(page)
      const cells = tab.locator('td')
      await expect.poll(() => cells.allTextContents(), patience).toContain('RUNNING')
      expect(await cells.allTextContents()).toEqual(expect.arrayContaining(['alice', 'twitter/bookmarks', '0']))
      expect(asked).toEqual(['WAYMARK_KEY'])
      const { sessionId } = started['session'] as { sessionId: string }
      await mutate(operator, 'failSession', { sessionId, errorMessage: 'logged out' })
      await expect
        .poll(() => cells.allTextContents(), patience)
        .toEqual(expect.arrayContaining(['FAILED', 'logged out']))
      expect(await tab.getByRole('status').textContent()).toMatch(/^Read at /)
    })
  },
)
