import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kind, OperationTypeNode, parse } from 'graphql'
import type { App } from '../../../src/app.ts'
import { graphiqlExamples } from '../../../src/http/graphiql/graphiql-examples.ts'
import { seed } from '../../../src/cli/seed.ts'
import { findChromium, needsChromium } from '../../support/chromium.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { scrape } from '../../support/metrics.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const executablePath = findChromium()
const patience = { timeout: 30_000 }
const limit = { timeout: 90_000 }

const examples = graphiqlExamples.map(({ name, query }) => {
  const [definition] = parse(query).definitions
  if (definition?.kind !== Kind.OPERATION_DEFINITION) throw new Error(`${name} is no operation`)
  const [field] = definition.selectionSet.selections
  return { name, operation: definition.operation, rootField: field?.kind === Kind.FIELD ? field.name.value : '' }
})
const [{ name: watchName } = { name: '' }] = examples.filter(
  ({ operation }) => operation === OperationTypeNode.SUBSCRIPTION,
)

/** What GraphiQL keeps of its tabs, half a second after it changed. */
interface TabState {
  readonly tabs: readonly { readonly operationName: string | null }[]
  readonly activeTabIndex: number
}

describe.skipIf(!executablePath)(`GraphiQL in a browser${executablePath ? '' : ` (${needsChromium})`}`, () => {
  let database: TestDatabase
  let app: App
  let browser: Browser
  let page: Page
  /** What the page complains of: what its policy blocked, errors that nobody caught, and warnings (an editor without its workers). */
  const complaints: string[] = []

  beforeAll(async () => {
    database = await createTestDatabase()
    app = await startOn(database.url, { METRICS_PORT: '0' })
    await seed(database.url)
    browser = await chromium.launch({
      executablePath: executablePath ?? '',
      chromiumSandbox: false,
      args: ['--disable-gpu', '--disable-quic'],
    })
    page = await browser.newPage()
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    await page.exposeFunction('complain', (text: string) => complaints.push(text))
    await page.addInitScript({
      content: `addEventListener('securitypolicyviolation', (event) => complain(event.violatedDirective + ' ' + event.blockedURI))`,
    })
    await page.goto(app.url)
  }, limit.timeout)
  afterAll(async () => {
    await browser.close()
    await app.close()
    await database[Symbol.asyncDispose]()
  })

  const answer = () => page.locator('.graphiql-response').innerText()
  /** Monaco writes spaces that don't break. */
  const answered = (text: string) =>
    expect.poll(async () => (await answer()).replaceAll('\u00a0', ' '), patience).toContain(text)
  const open = (tab: string) => page.getByRole('tab').getByText(tab, { exact: true }).click()
  /** Opens the tab by one click, and presses the button once GraphiQL knows what there is to run: for some tenths of a second it would run what was open before. */
  async function run(name: string): Promise<void> {
    await open(name)
    await expect.poll(openOperation, patience).toBe(name)
    await page.getByRole('button', { name: /^Execute query/ }).click()
  }
  async function openOperation(): Promise<string | null | undefined> {
    const kept = await page.evaluate<string | null>(`localStorage.getItem('graphiql:tabState')`)
    const { tabs, activeTabIndex } = JSON.parse(kept ?? '{"tabs":[]}') as TabState
    return tabs[activeTabIndex]?.operationName
  }
  const stop = () => page.getByRole('button', { name: /^Stop query/ }).click()
  const streams = async () => (await scrape(app.metricsUrl ?? '')).get('waymark_streams{transport="sse"}')
  const streamsAre = (count: number) => expect.poll(streams, patience).toBe(count)

  const ordinary = examples.filter(({ name }) => name !== watchName)
  it.for([...ordinary, ...ordinary.toReversed()])(
    'runs the example $name as its tab has it, in their order and then in the opposite one',
    limit,
    async ({ name, rootField }) => {
      await run(name)
      await answered(`"data": {\n    "${rootField}": {`)
      expect(await answer()).not.toMatch(/"errors"|"code"/)
    },
  )

  it(
    'subscribes by itself: shows what others do, until its stop button ends the stream on the server too',
    limit,
    async () => {
      await run(watchName)
      await streamsAre(1)
      await mutate(clientOf(app.url), 'startSession', {
        userId: 'alice',
        sessionId: 'seen-in-graphiql',
        takeover: true,
      })
      await answered('"sessionId": "seen-in-graphiql"')
      await stop()
      await streamsAre(0)
    },
  )

  it('ends the stream also where another tab is opened, as its example says', limit, async () => {
    await run(watchName)
    await streamsAre(1)
    await open('Checkpoints')
    await streamsAre(0)
  })

  it('knows the schema: underlines a field that there is none of', limit, async () => {
    await page.getByRole('button', { name: 'New tab' }).click()
    await page.locator('.graphiql-query-editor .monaco-editor').first().click()
    await page.keyboard.insertText('query Wrong { noSuchField }')
    await expect.poll(() => page.locator('.squiggly-error').count(), patience).toBeGreaterThan(0)
  })

  it('is hindered by nothing: no error, no warning, nothing that the policy of the page blocked', () => {
    expect(complaints).toEqual([])
  })
})
