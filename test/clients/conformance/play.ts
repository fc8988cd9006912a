import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type TestWaymark } from '../../support/waymark.ts'
import { type Asked, BreakingProxy } from './breaking-proxy.ts'
import { type Client, Driver, type DriverLine } from './driver.ts'
import type { Action, Break, CrawlStep, Json, JsonObject, Moment, PageAnswer, Script } from './script.ts'
import { ScriptedList } from './scripted-list.ts'
import { actOnWaymark, readState, type State } from './waymark-actions.ts'

/** What a client sends as its API key. Neither its errors nor its log may show it. */
export const KEY = 'wm_conformance_key_that_nobody_may_see'
/** A crawl that takes longer hangs. On a busy machine retries take some seconds. */
const MOST_MS = 120_000

/** One call of process. */
export interface Processed {
  readonly items: readonly string[]
  readonly sessionId: string
  /** How many operations had been sent before. */
  readonly asked: number
}

/** All that happened while a script was played. */
export interface Played {
  readonly client: string
  readonly asked: readonly Asked[]
  readonly processed: readonly Processed[]
  readonly fetched: readonly (string | null)[]
  readonly events: readonly string[]
  /** How each crawl ended. */
  readonly ends: readonly CrawlEnd[]
  readonly state: State
  /** Everything in its order, for people. */
  readonly transcript: readonly string[]
  /** What the driver wrote, of other crawls too. */
  readonly output: string
}

export interface CrawlEnd {
  readonly report?: JsonObject
  readonly error?: JsonObject
  readonly killed?: true
}

/** What a script's server is; a script that restarts it has one of its own. */
export interface Stage {
  readonly waymark: Pick<TestWaymark, 'url' | 'ask' | 'database'>
  /** Ends the server and starts another one on the same database. @returns the other one's URL */
  restart?(): Promise<string>
}

/** Whether a script needs a driver's process for itself: it kills it, or changes its clock. */
export function needsOwnDriver({ during = [] }: Script): boolean {
  return during.some(({ do: actions = [] }) => actions.some((action) => 'kill' in action || 'sleepSeconds' in action))
}

/** Plays a script through a client. @param shared a driver that may be used; undefined: starts one of its own */
export async function play(script: Script, client: Client, stage: Stage, shared?: Driver): Promise<Played> {
  const player = new Player(script, client, stage, shared)
  try {
    return await player.play()
  } finally {
    await player.end()
  }
}

class Player {
  readonly #script: Script
  readonly #client: Client
  readonly #stage: Stage
  readonly #isShared: boolean
  readonly #list: ScriptedList
  readonly #userId = `user-${randomUUID()}`
  readonly #counts = new Map<string, number>()
  readonly #transcript: string[] = []
  readonly #processed: Processed[] = []
  readonly #fetched: (string | null)[] = []
  readonly #events: string[] = []
  readonly #pending: Promise<unknown>[] = []
  #driver: Driver | undefined
  #proxy: BreakingProxy | undefined
  #crawl = ''
  /** Crawls whose process was killed. */
  readonly #killed = new Set<string>()
  #crawls = 0
  /** The sessions that the placeholders of a script name. */
  #sessions: { crawl: string | undefined; other: string | undefined } = { crawl: undefined, other: undefined }
  #output = ''
  #fail: (error: Error) => void = () => undefined

  constructor(script: Script, client: Client, stage: Stage, shared: Driver | undefined) {
    this.#script = script
    this.#client = client
    this.#stage = stage
    this.#isShared = shared !== undefined
    this.#driver = shared
    this.#list = new ScriptedList(script.platform)
  }

  async play(): Promise<Played> {
    const { before = [], crawls, registered = true } = this.#script
    if (registered) await this.#onWaymark('registerUser', {})
    await this.#act(before)
    this.#proxy = await BreakingProxy.start(this.#stage.waymark.url, {
      onAsked: (asked) => this.#onAsked(asked),
      onAnswered: (asked) => this.#onAnswered(asked),
    })
    const ends: CrawlEnd[] = []
    for (const step of crawls) ends.push(await this.#crawlOnce(step))
    await Promise.all(this.#pending)
    const state = await readState(this.#stage.waymark, this.#where)
    return {
      client: this.#client.name,
      ...{ asked: this.#proxy.asked, processed: this.#processed, fetched: this.#fetched, events: this.#events },
      ...{ ends, state, transcript: this.#transcript, output: this.#output + (this.#driver?.output ?? '') },
    }
  }

  get transcript(): readonly string[] {
    return this.#transcript
  }

  async end(): Promise<void> {
    if (!this.#isShared) await this.#driver?.[Symbol.asyncDispose]()
    await this.#proxy?.[Symbol.asyncDispose]()
  }

  get #where() {
    return { userId: this.#userId, stream: this.#script.stream ?? 'twitter/bookmarks' }
  }

  async #crawlOnce({ options = {}, first = [] }: CrawlStep): Promise<CrawlEnd> {
    await this.#act(first)
    this.#crawls += 1
    if (!this.#driver || this.#driver.isDead) {
      this.#output += this.#driver?.output ?? ''
      this.#driver = new Driver(this.#client)
    }
    const driver = this.#driver
    this.#crawl = randomUUID()
    const ended = new Promise<CrawlEnd>((resolve, reject) => {
      this.#fail = reject
      driver.listen(this.#crawl, (line) => {
        if (line === undefined) resolve({ killed: true })
        else if (line.report) resolve({ report: line.report })
        else if (line.error) resolve({ error: line.error })
        else this.#hear(line).catch(reject)
      })
    })
    driver.send({
      ...{ do: 'crawl', crawl: this.#crawl, url: this.#proxy?.url ?? '', key: KEY },
      retryBudgetMs: this.#script.retryBudgetMs ?? 20_000,
      timeoutMs: this.#script.timeoutMs ?? 10_000,
      options: { ...this.#where, ...options },
    })
    const patience = new AbortController()
    const tooLong = delay(MOST_MS, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`the crawl does not end:\n${this.#transcript.join('\n')}\n${driver.output.slice(-2_000)}`)
    })
    try {
      const end = await Promise.race([ended, tooLong])
      this.#note(`end ${JSON.stringify(end)}`)
      if (end.killed && !this.#killed.has(this.#crawl))
        throw new Error(`the driver ended by itself: ${driver.output.slice(-2_000)}`)
      return end
    } finally {
      patience.abort()
      tooLong.catch(() => undefined)
      driver.forget(this.#crawl)
    }
  }

  async #hear(line: DriverLine): Promise<void> {
    const { crawl } = line
    if (line.event) {
      this.#events.push(line.event.type)
      this.#note(`event ${JSON.stringify(line.event)}`)
      for (const moment of this.#momentsOf('event', line.event.type)) await this.#act(moment.do ?? [])
      return
    }
    const { call } = line
    if (call === undefined) return
    if (line.fetch) {
      const { pageToken } = line.fetch
      this.#fetched.push(pageToken)
      const moments = this.#momentsOf('fetch')
      for (const moment of moments) await this.#act(moment.do ?? [])
      const answer = { ...this.#list.page(pageToken), ...moments.find((moment) => moment.answer)?.answer }
      this.#note(`fetch ${JSON.stringify(line.fetch)} -> ${JSON.stringify(answer)}`)
      this.#answer(crawl, call, answerOfPage(answer))
    } else if (line.process) {
      const { items, sessionId } = line.process
      this.#note(`process ${JSON.stringify(line.process)}`)
      this.#processed.push({ items, sessionId, asked: this.#proxy?.asked.length ?? 0 })
      this.#sessions.crawl = sessionId
      const moments = this.#momentsOf('process')
      for (const moment of moments) await this.#act(moment.do ?? [])
      const error = moments.find((moment) => moment.answer?.error !== undefined)?.answer?.error
      const added = moments.find((moment) => moment.added !== undefined)?.added ?? null
      const answer: JsonObject = error === undefined ? { added } : { throw: { kind: 'error', message: error } }
      this.#answer(crawl, call, answer)
    }
  }

  #answer(crawl: string, call: number, answer: JsonObject): void {
    if (!this.#killed.has(crawl)) this.#driver?.send({ do: 'answer', crawl, call, ...answer })
  }

  async #onAsked(asked: Asked): Promise<Break | undefined> {
    const crawl = this.#crawl
    const moments = this.#momentsOf('ask', asked.field)
    for (const moment of moments) await this.#actOrFail(moment.do ?? [])
    const broken = moments.find(({ network }) => network)?.network
    this.#note(`ask ${asked.field} ${JSON.stringify(asked.input)}${broken ? ` broken ${JSON.stringify(broken)}` : ''}`)
    return this.#killed.has(crawl) ? { fails: 'refused' } : broken
  }

  async #onAnswered(asked: Asked): Promise<undefined> {
    const { session } = (asked.result ?? {}) as { session?: { sessionId?: string } | null }
    if (asked.field === 'startSession' && asked.result?.__typename === 'StartSessionSuccess')
      this.#sessions.crawl = session?.sessionId ?? (asked.input['sessionId'] as string | undefined)
    this.#note(`answer ${asked.field} ${JSON.stringify(asked.result ?? null)}`)
    for (const moment of this.#momentsOf('answered', asked.field)) await this.#actOrFail(moment.do ?? [])
  }

  /** The moments of the script that are now. Counts this one. */
  #momentsOf(kind: 'fetch' | 'process' | 'ask' | 'answered' | 'event', name?: string): Moment[] {
    const counted = `${kind} ${name ?? ''}`
    const count = (this.#counts.get(counted) ?? 0) + 1
    this.#counts.set(counted, count)
    return (this.#script.during ?? []).filter((moment) => {
      if (moment.crawl !== undefined && moment.crawl !== this.#crawls) return false
      if (moment[kind] === undefined || (name !== undefined && moment[kind] !== name)) return false
      const from = name === undefined ? Number(moment[kind]) : (moment.nth ?? 1)
      return count >= from && count < from + (moment.times ?? 1)
    })
  }

  /** In a hook of the proxy an exception would only look like a broken connection. */
  async #actOrFail(actions: readonly Action[]): Promise<void> {
    await this.#act(actions).catch((error: unknown) => this.#fail(error as Error))
  }

  async #act(actions: readonly Action[]): Promise<void> {
    for (const action of actions) {
      this.#note(`do ${JSON.stringify(action)}`)
      await this.#actOnce(action)
    }
  }

  async #actOnce(action: Action): Promise<void> {
    if ('add' in action) this.#list.add(action.add)
    else if ('append' in action) this.#list.append(action.append)
    else if ('remove' in action) this.#list.remove(action.remove)
    else if ('again' in action) this.#list.again(action.again)
    else if ('pin' in action) this.#list.pin(action.pin)
    else if ('waymark' in action) await this.#onWaymark(action.waymark, action.input ?? {})
    else if ('sql' in action) await this.#onDatabase(action.sql)
    else if ('stop' in action) this.#driver?.send({ do: 'stop', crawl: this.#crawl })
    else if ('sleepSeconds' in action) this.#driver?.send({ do: 'sleep', ms: action.sleepSeconds * 1_000 })
    else if ('passSeconds' in action) await delay(action.passSeconds * 1_000)
    else if ('downSeconds' in action)
      this.#pending.push(this.#proxy?.down(action.downSeconds * 1_000) ?? Promise.resolve())
    else if ('restartServer' in action) await this.#restart()
    else {
      this.#killed.add(this.#crawl)
      await this.#driver?.kill()
    }
  }

  async #onWaymark(field: string, input: JsonObject): Promise<void> {
    const resolved = this.#resolve(input) as JsonObject
    const session = await actOnWaymark(this.#stage.waymark, field, resolved, this.#where)
    if (session !== undefined) this.#sessions.other = session
  }

  async #onDatabase(what: 'expireLease' | 'forgetSession' | 'forgetUser'): Promise<void> {
    const { database } = this.#stage.waymark
    const sessionId = this.#sessions.crawl ?? this.#sessions.other
    // What the reaper does once the lease has run out.
    if (what === 'expireLease') await database.query('SELECT crawler.expire_session($1, crawler.clock())', [sessionId])
    // What retention does with a session that ended long ago.
    else if (what === 'forgetSession')
      await database.query('DELETE FROM crawler.crawl_session WHERE session_id = $1', [sessionId])
    else await database.query('DELETE FROM public."user" WHERE id = $1', [this.#userId])
  }

  async #restart(): Promise<void> {
    if (!this.#stage.restart || !this.#proxy) throw new Error('this stage has a server that others use')
    this.#proxy.target = await this.#stage.restart()
  }

  /** Puts sessions and times where the script has placeholders. */
  #resolve(value: Json): Json {
    if (value === '$crawl') return this.#sessions.crawl ?? null
    if (value === '$other') return this.#sessions.other ?? null
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((one: Json) => this.#resolve(one))
    const object = value as JsonObject
    if (typeof object['$inSeconds'] === 'number')
      return new Date(Date.now() + object['$inSeconds'] * 1_000).toISOString()
    return Object.fromEntries(Object.entries(object).map(([name, one]) => [name, this.#resolve(one)]))
  }

  #note(what: string): void {
    this.#transcript.push(what)
  }
}

/** A page as a driver is told of it. */
function answerOfPage(answer: PageAnswer): JsonObject {
  if (answer.error !== undefined) return { throw: { kind: 'error', message: answer.error } }
  if (answer.needsAttention !== undefined) return { throw: { kind: 'needsAttention', reason: answer.needsAttention } }
  if (answer.pageTokenRefused) return { throw: { kind: 'pageTokenRefused' } }
  if (answer.rateLimitedSeconds !== undefined)
    return { throw: { kind: 'rateLimited', until: Date.now() + answer.rateLimitedSeconds * 1_000 } }
  return { page: { items: answer.items ?? [], nextToken: answer.nextToken ?? null } }
}
