import { followPlan, RefusedError } from '../../examples/follow-plan.ts'
import type { Plan } from '../../examples/waymark.ts'
import type { SeededRandom } from '../support/crawl-random.ts'
import { ListLedger } from './list-ledger.ts'
import type { SimulatedList } from './simulated-list.ts'

const STALLED = 'stopRequested session { stallReason }'
const START = `mutation ($input: StartSessionInput!) { result: startSession(input: $input) { __typename
  ... on UserError { code } ... on StartSessionSuccess {
    session { sessionId } plan { mode afterItemId pageToken untilItemIds reason } } } }`
const SAVE = `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { __typename
  ... on UserError { code message } ... on SaveCheckpointSuccess { ${STALLED} }
  ... on TokenSavedSuccess { ${STALLED.replace('session', 'of: session')} } } }`
const BEAT = `mutation ($input: HeartbeatInput!) { result: heartbeat(input: $input) { __typename ... on UserError { code message } } }`
const end = (how: string) =>
  `mutation ($input: ${how.charAt(0).toUpperCase()}${how.slice(1)}Input!) { result: ${how}(input: $input) { __typename } }`

type Answer = {
  readonly __typename: string
  readonly code?: string
  readonly session?: { readonly sessionId: string; readonly stallReason: string | null } | null
  readonly of?: { readonly stallReason: string | null }
  readonly plan?: Plan
}
export type Ask = (query: string, variables: object) => Promise<{ result: Answer }>

class Killed extends Error {}

/** The crawler of one list: it follows its plans to the letter, and is killed at random. */
export class ListCrawler {
  readonly #ledger: ListLedger
  readonly #ask: Ask
  readonly #userId: string
  readonly #list: SimulatedList
  readonly #random: SeededRandom | undefined
  #isLooped = false
  /** How often it was killed, and how often its list went round. */
  readonly #ends = { kills: 0, loops: 0 }

  /** @param random undefined: it is never killed, and does what AUTO says */
  constructor(ask: Ask, userId: string, list: SimulatedList, random?: SeededRandom) {
    this.#ledger = new ListLedger(userId, list)
    this.#ask = ask
    this.#userId = userId
    this.#list = list
    this.#random = random
  }

  get report() {
    return { ...this.#ledger.report, ...this.#ends }
  }

  /** One session, to its end or its death. */
  async run(): Promise<void> {
    const below = (limit: number) => this.#random?.below(limit) ?? limit - 1
    const draw = below(100)
    const mode = this.#isLooped || draw < 4 ? 'FULL' : draw < 20 ? 'CATCH_UP' : 'AUTO'
    this.#list.loops = below(150) === 0
    const { result } = await this.#ask(START, { input: { userId: this.#userId, mode, takeover: true } })
    if (result.code === 'CATCH_UP_IMPOSSIBLE') return
    const { session, plan } = result
    if (!session || !plan) throw new Error(`not started: ${JSON.stringify(result)}`)
    this.#isLooped = false
    this.#ledger.begin(plan, mode === 'FULL')
    // Most sessions are killed after some steps.
    let stepsToLive = !this.#random || below(3) === 0 ? Infinity : below(12)
    const live = () => {
      stepsToLive -= 1
      if (stepsToLive < 0) throw new Killed()
    }
    try {
      const outcome = await followPlan(plan, {
        fetchPage: (token) => {
          live()
          if (below(4) === 0) this.#list.change()
          return Promise.resolve(this.#list.fetchPage(token))
        },
        process: (ids) => {
          live()
          for (const id of ids) this.#ledger.processed.add(id)
          return ids.length
        },
        save: async (save) => {
          live()
          const input = { ...save, userId: this.#userId, sessionId: session.sessionId }
          const { result: saved } = await this.#ask(SAVE, { input })
          if (saved.code !== undefined) throw new Error(JSON.stringify(saved))
          live()
          return { stopRequested: false, isLoop: (saved.session ?? saved.of)?.stallReason === 'LOOP' }
        },
        skip: async () => {
          live()
          const { result: beaten } = await this.#ask(BEAT, { input: { sessionId: session.sessionId } })
          if (beaten.code !== undefined) throw new Error(JSON.stringify(beaten))
          return false
        },
        isStopped: () => false,
      })
      live()
      if (outcome === 'LOOP') {
        this.#ends.loops += 1
        this.#isLooped = true
        await this.#ask(end('failSession'), { input: { sessionId: session.sessionId, errorMessage: 'a loop' } })
        return
      }
      await this.#ask(end('completeSession'), { input: { sessionId: session.sessionId } })
      this.#ledger.finish(plan.mode)
    } catch (error) {
      if (error instanceof Killed) this.#ends.kills += 1
      // Its lease ends it. A platform may be like that for a day.
      else if (!(error instanceof RefusedError)) throw error
    }
  }
}
