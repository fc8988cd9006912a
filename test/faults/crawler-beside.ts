import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

/** Between two of its saves, and between two of its heartbeats. */
const PAUSE_MS = 50
/** After so long an answer is one that never came. */
const GIVE_UP_MS = 30_000

/** What became of the crawler's saves and heartbeats so far. */
export interface CrawlerReport {
  readonly saves: number
  readonly heartbeats: number
  /** The longest that one of them waited for its answer, milliseconds. */
  readonly worstMs: number
  /** Each answer that was no success. */
  readonly failures: readonly string[]
}

/**
 * A crawler that saves and sends heartbeats, side by side, until it is stopped. Each request is timed from before it is sent until its
 * answer was read.
 */
export class CrawlerBeside {
  readonly #url: string
  readonly #authorization: string
  readonly #sessionId = randomUUID()
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 })
  readonly #working: Promise<unknown>[]
  readonly #failures: string[] = []
  #isStopped = false
  #saves = 0
  #heartbeats = 0
  #worstMs = 0

  private constructor(url: string, authorization: string) {
    this.#url = url
    this.#authorization = authorization
    this.#working = []
  }

  /** Resolves once its session is started. */
  static async start(url: string, authorization: string): Promise<CrawlerBeside> {
    const crawler = new CrawlerBeside(url, authorization)
    await crawler.#ask('mutation { registerUser(input: { userId: "crawled" }) { __typename } }')
    const sessionId = `sessionId: "${crawler.#sessionId}"`
    const input = `{ userId: "crawled", ${sessionId}, leaseSeconds: 60, takeover: true }`
    await crawler.#ask(`mutation { startSession(input: ${input}) { __typename } }`, 'StartSessionSuccess')
    crawler.#working.push(
      crawler.#repeat(async () => {
        const save = `{ userId: "crawled", ${sessionId}, itemId: "${1_000 + crawler.#saves}" }`
        await crawler.#ask(`mutation { saveCheckpoint(input: ${save}) { __typename } }`, 'SaveCheckpointSuccess')
        crawler.#saves += 1
      }),
      crawler.#repeat(async () => {
        const beat = `{ ${sessionId}, bookmarksProcessed: 1 }`
        await crawler.#ask(`mutation { heartbeat(input: ${beat}) { __typename } }`, 'HeartbeatSuccess')
        crawler.#heartbeats += 1
      }),
    )
    return crawler
  }

  /** Resolves once its last answers came. */
  async stop(): Promise<CrawlerReport> {
    this.#isStopped = true
    await Promise.all(this.#working)
    this.#agent.destroy()
    return {
      saves: this.#saves,
      heartbeats: this.#heartbeats,
      worstMs: Math.round(this.#worstMs),
      failures: this.#failures,
    }
  }

  async #repeat(work: () => Promise<void>): Promise<void> {
    while (!this.#isStopped) {
      const sinceMs = performance.now()
      await work().catch((error: unknown) => this.#failures.push(String(error)))
      this.#worstMs = Math.max(this.#worstMs, performance.now() - sinceMs)
      await delay(PAUSE_MS)
    }
  }

  /** @throws Error where the answer has not this member of the result union */
  async #ask(query: string, typename = ''): Promise<void> {
    const body = JSON.stringify({ query })
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      authorization: this.#authorization,
    }
    const answer = await new Promise<string>((resolve, reject) => {
      const signal = AbortSignal.timeout(GIVE_UP_MS)
      const asked = request(this.#url, { method: 'POST', headers, agent: this.#agent, signal }, (response) => {
        text(response).then(resolve, reject)
      })
      asked.on('error', reject).end(body)
    })
    if (!answer.includes(`"__typename":"${typename}`)) throw new Error(answer)
  }
}
