import { createTestDatabase } from '../../support/database.ts'
import { clientOf, startOn, type TestWaymark } from '../../support/waymark.ts'
import { type Client, Driver } from './driver.ts'
import { needsOwnDriver, play, type Played, type Stage } from './play.ts'
import type { Script } from './script.ts'

/** Most of them wait: for answers, for retries, for leases. */
const MOST_TOGETHER = 6

interface Settled {
  readonly promise: Promise<Played>
  readonly resolve: (played: Played) => void
  readonly reject: (error: unknown) => void
}

/** Plays scripts through one client, some at a time, from when somebody asks for the first. */
export class Plays implements AsyncDisposable {
  readonly #client: () => Client
  readonly #waymark: () => TestWaymark
  readonly #plays: ReadonlyMap<Script, Settled>
  readonly #played: Played[] = []
  #driver: Driver | undefined

  /** @param client, waymark are asked for when the first script is played */
  constructor(scripts: readonly Script[], client: () => Client, waymark: () => TestWaymark) {
    this.#client = client
    this.#waymark = waymark
    this.#plays = new Map(scripts.map((script) => [script, settle()]))
  }

  /** What has been played so far. */
  get played(): readonly Played[] {
    return this.#played
  }

  /** @returns undefined where it is none of these scripts */
  of(script: Script): Promise<Played> | undefined {
    if (!this.#driver) this.#begin()
    return this.#plays.get(script)?.promise
  }

  #begin(): void {
    const client = this.#client()
    const driver = (this.#driver = new Driver(client))
    const waiting = [...this.#plays]
    const playNext = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [script, { resolve, reject }] = next
        const shared = needsOwnDriver(script) ? undefined : driver
        const stage = { waymark: this.#waymark() }
        const playing = restarts(script) ? playAlone(script, client) : play(script, client, stage, shared)
        await playing.then((played) => {
          this.#played.push(played)
          resolve(played)
        }, reject)
      }
    }
    for (let lane = 0; lane < MOST_TOGETHER; lane += 1) void playNext()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver?.[Symbol.asyncDispose]()
  }
}

function settle(): Settled {
  const { promise, resolve, reject } = withResolvers()
  // Whoever asks for it hears of it.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

/** Promise.withResolvers, which Node 20 has not. */
function withResolvers(): Settled {
  let settled: Omit<Settled, 'promise'> | undefined
  const promise = new Promise<Played>((resolve, reject) => (settled = { resolve, reject }))
  if (!settled) throw new Error('a promise calls its function at once')
  return { promise, ...settled }
}

function restarts({ during = [] }: Script): boolean {
  return during.some(({ do: actions = [] }) => actions.some((action) => 'restartServer' in action))
}

/** Plays a script on a server of its own, which it may restart. */
async function playAlone(script: Script, client: Client): Promise<Played> {
  const database = await createTestDatabase()
  let app = await startOn(database.url)
  const stage: Stage = {
    get waymark() {
      return { ...clientOf(app.url), database }
    },
    async restart() {
      await app.close()
      app = await startOn(database.url)
      return app.url
    },
  }
  try {
    return await play(script, client, stage)
  } finally {
    await app.close()
    await database[Symbol.asyncDispose]()
  }
}
