// Runs crawl() of the TypeScript client, for as many crawls at once as it is told. README.md describes the lines.
import { createInterface } from 'node:readline'

// Where the client was built.
const { NeedsAttention, PageTokenRefused, RateLimited, Waymark } = await import(process.argv[2])

const crawls = new Map()
let asleepMs = 0
const now = Date.now.bind(Date)
Date.now = () => now() + asleepMs

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

/** What stands for an error that a platform throws. */
function errorOf({ kind, until, reason, message }) {
  if (kind === 'rateLimited') return new RateLimited(new Date(until))
  if (kind === 'pageTokenRefused') return new PageTokenRefused()
  if (kind === 'needsAttention') return new NeedsAttention(reason)
  return new Error(message)
}

async function crawl({ crawl, url, key, retryBudgetMs, timeoutMs, options }) {
  const stop = new AbortController()
  const answers = new Map()
  crawls.set(crawl, { stop, answers })
  let calls = 0
  const call = (what) =>
    new Promise((resolve, reject) => {
      calls += 1
      answers.set(calls, ({ throw: thrown, ...answer }) => (thrown ? reject(errorOf(thrown)) : resolve(answer)))
      say({ crawl, call: calls, ...what })
    })
  try {
    const waymark = new Waymark({ url, key, timeoutMs, retry: { budgetMs: retryBudgetMs } })
    const report = await waymark.crawl({
      ...options,
      signal: stop.signal,
      id: (item) => item.id,
      fetchPage: async ({ pageToken, mode }) => {
        const { page } = await call({ fetch: { pageToken, mode } })
        return { items: page.items.map((id) => ({ id })), nextToken: page.nextToken }
      },
      process: async (items, { sessionId, mode }) => {
        const { added } = await call({ process: { items: items.map(({ id }) => id), sessionId, mode } })
        return added ?? undefined
      },
      onEvent: (event) => say({ crawl, event }),
    })
    say({ crawl, report })
  } catch (error) {
    const { code, message, name } = error
    say({ crawl, error: { code: code ?? null, message, name } })
  } finally {
    crawls.delete(crawl)
  }
}

createInterface({ input: process.stdin }).on('line', (text) => {
  const line = JSON.parse(text)
  if (line.do === 'crawl') void crawl(line)
  else if (line.do === 'sleep') asleepMs += line.ms
  else if (line.do === 'stop') crawls.get(line.crawl)?.stop.abort()
  else if (line.do === 'answer') {
    const { answers } = crawls.get(line.crawl) ?? { answers: new Map() }
    answers.get(line.call)?.(line)
    answers.delete(line.call)
  }
})
