import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findChromium, needsChromium } from '../../support/chromium.ts'
import { schemaOf, type Served, serve, until } from './http-support.ts'

const executablePath = findChromium()

/** Run in the page: asks by each way that a page has without a preflight, and tells what it could read. */
const askEachWay = `async ({ query, events }) => {
  const load = (tag, name) => new Promise((resolve) => {
    const element = document.createElement(tag)
    element.onload = element.onerror = () => resolve()
    element[name] = query
    document.body.append(element)
  })
  for (const [tag, name] of [['img', 'src'], ['script', 'src'], ['iframe', 'src'], ['audio', 'src']]) {
    await Promise.race([load(tag, name), new Promise((resolve) => setTimeout(resolve, 500))])
  }
  await fetch(query, { mode: 'no-cors' }).catch(() => undefined)
  await fetch(query, { mode: 'no-cors', referrerPolicy: 'no-referrer' }).catch(() => undefined)
  const read = await fetch(query).then((answer) => answer.text(), () => 'unread')
  const event = await new Promise((resolve) => {
    const source = new EventSource(events)
    source.addEventListener('next', ({ data, lastEventId }) => (source.close(), resolve(lastEventId + ' ' + data)))
    source.onerror = () => (source.close(), resolve('unread'))
  })
  return { read, event }
}`

describe.skipIf(!executablePath)(`a page of another site${executablePath ? '' : ` (${needsChromium})`}`, () => {
  let browser: Browser
  let site: Server
  let page: Page
  let origin: string
  let runs: string[]
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: executablePath ?? '',
      chromiumSandbox: false,
      args: ['--disable-gpu'],
    })
    site = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<body>a page</body>'))
    await once(site.listen(0, '127.0.0.1'), 'listening')
    // Another site than 127.0.0.1, where Waymark is.
    origin = `http://localhost:${(site.address() as AddressInfo).port}`
  }, 60_000)
  afterAll(async () => {
    await browser.close()
    site.close()
  })
  beforeEach(async () => {
    runs = []
    page = await browser.newPage()
    await page.goto(origin)
  })
  afterEach(() => page.close())

  const schema = () =>
    schemaOf('type Query { secret: String } type Mutation { save: Boolean } type Subscription { secrets: String }', {
      'Query.secret': () => runs.push('query') && 'a secret',
      'Mutation.save': () => runs.push('mutation') > 0,
      'Subscription.secrets': async function* () {
        runs.push('subscription')
        await Promise.resolve()
        yield { cursor: 'c1', secrets: 'a secret' }
      },
    })
  const urlOf = (server: Served, query: string) => `${server.url}?query=${encodeURIComponent(query)}`
  const ask = (server: Served) =>
    page.evaluate(`(${askEachWay})(${JSON.stringify({ query: urlOf(server, '{ secret }'), events: urlOf(server, 'subscription { secrets }') })})`) // prettier-ignore

  it('reads nothing by GET, and nothing is run for it', { timeout: 60_000 }, async () => {
    const server = await serve(schema(), { graphiql: false })
    expect(await ask(server)).toEqual({ read: 'unread', event: 'unread' })
    // Where a page sends its reader. What somebody types comes from no page: see below.
    const there = urlOf(server, '{ secret }')
    await Promise.all([page.waitForURL(there), page.evaluate(`location.href = ${JSON.stringify(there)}`)])
    expect(await page.locator('body').innerText()).toContain('ALLOWED_ORIGINS')
    expect(runs).toEqual([])
    await until(() => expect(server.log.length).toBeGreaterThanOrEqual(9))
    // Chromium also asks for /favicon.ico.
    expect(new Set(server.log.filter(({ path }) => path === '/graphql').map(({ status }) => status))).toEqual(
      new Set([403]),
    )
  })

  it('that ALLOWED_ORIGINS names reads answers and events', { timeout: 60_000 }, async () => {
    const server = await serve(schema(), { graphiql: false, allowedOrigins: [origin] })
    expect(await ask(server)).toEqual({
      read: '{"data":{"secret":"a secret"}}',
      event: 'c1 {"data":{"secrets":"a secret"}}',
    })
  })

  it('is none that somebody types, nor the server’s own', { timeout: 60_000 }, async () => {
    const server = await serve(schema(), { graphiql: false })
    await page.goto(urlOf(server, '{ secret }'))
    expect(await page.locator('body').innerText()).toContain('a secret')
    expect(await ask(server)).toMatchObject({ read: '{"data":{"secret":"a secret"}}' })
  })
})
