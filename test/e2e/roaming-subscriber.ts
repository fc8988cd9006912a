import { setTimeout as delay } from 'node:timers/promises'
import type { FormattedExecutionResult } from 'graphql'
import { createClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { decodeFeedCursor } from '../../src/events/cursor.ts'
import { feeds, type ToldEvent } from '../support/feed-reader.ts'

/** Opens a feed of one replica; ends or throws where the replica or the way to it goes away. */
type OpenFeed = (
  url: string,
  request: { query: string; variables: Record<string, unknown> },
) => {
  readonly answers: AsyncIterable<FormattedExecutionResult<{ told: ToldEvent }, unknown>>
  readonly leave: () => void
}

/** How to reach a feed: the one place to add a transport to. None retries by itself: going on elsewhere is what is tested. */
export const transports = {
  sse: (url, request) => {
    const client = createClient({ url, retryAttempts: 0 })
    return { answers: client.iterate<{ told: ToldEvent }>(request), leave: () => client.dispose() }
  },
  webSocket: (url, request) => {
    const client = createSocketClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 })
    return { answers: client.iterate<{ told: ToldEvent }>(request), leave: () => void client.dispose() }
  },
} satisfies Record<string, OpenFeed>

export interface Habits {
  readonly feed: keyof typeof feeds
  readonly transport: keyof typeof transports
  readonly filter?: Record<string, unknown>
  /** Notes its cursor after so many events; default 1. More: what came since is told again after a reconnect. */
  readonly notesEvery?: number
  /** Moves on to another replica after so many events, though nothing is wrong. */
  readonly leavesAfter?: number
}

/** What one connection told, and the cursor it went on from. */
export interface Visit {
  readonly replica: number
  readonly after: string
  readonly told: ToldEvent[]
}

/** Watches a feed as a client without a home: whenever its connection ends it goes to the next replica, with its last cursor. */
export class RoamingSubscriber {
  readonly habits: Habits
  readonly visits: Visit[] = []
  /** Codes of answers after which no retry helps. There should be none. */
  readonly refusals: unknown[] = []
  /** The ID of the highest event told. */
  reached: bigint
  #noted: string
  #stopped = false
  #leave = () => {}
  readonly #roaming: Promise<void>

  /** @param urlOf a replica's address now: it changes when that is started again */
  constructor(habits: Habits, start: string, firstReplica: number, urlOf: readonly (() => string)[]) {
    this.habits = habits
    this.#noted = start
    this.reached = eventIdOf(start)
    this.#roaming = this.#roam(firstReplica, urlOf)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#leave()
    await this.#roaming
  }

  async #roam(firstReplica: number, urlOf: readonly (() => string)[]): Promise<void> {
    for (let replica = firstReplica; !this.#stopped; replica = (replica + 1) % urlOf.length) {
      const visit: Visit = { replica, after: this.#noted, told: [] }
      await this.#visit(visit, urlOf[replica]?.() ?? '').catch(() => undefined)
      if (visit.told.length > 0) this.visits.push(visit)
      else await delay(20)
    }
  }

  async #visit({ after, told }: Visit, url: string): Promise<void> {
    const { feed, transport, filter, notesEvery = 1, leavesAfter = Infinity } = this.habits
    const { answers, leave } = transports[transport](url, { query: feeds[feed], variables: { after, filter } })
    this.#leave = leave
    try {
      for await (const { data, errors } of answers) {
        const code = errors?.[0]?.extensions?.['code']
        if (code !== undefined && code !== 'SERVICE_UNAVAILABLE') this.refusals.push(code)
        if (!data || this.#stopped) break
        told.push(data.told)
        const eventId = eventIdOf(data.told.cursor)
        if (eventId > this.reached) this.reached = eventId
        if (told.length % notesEvery === 0) this.#noted = data.told.cursor
        if (told.length >= leavesAfter) break
      }
    } finally {
      leave()
    }
  }
}

export function eventIdOf(cursor: string): bigint {
  const named = decodeFeedCursor(cursor)
  if (!named) throw new Error(`${cursor} is no cursor`)
  return named.eventId
}
