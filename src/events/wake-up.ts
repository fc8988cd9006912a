import type pg from 'pg'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { coalesce } from '../concurrency/coalesce.ts'

const CHANNEL = 'waymark_feed'
const RECONNECT_MS = 1_000
/** A database that doesn't answer (frozen, or its link is dead) doesn't take leave either. */
const END_WAIT_MS = 1_000
/** NOTIFY takes a lock of the whole cluster when it commits: others are told so often at the most. */
const SEND_PAUSE_MS = 50

/** Tells the other replicas that the outbox grew, and hears them say so. A lost message costs latency only: the reader ticks too. */
export interface WakeUp {
  /** Sends one NOTIFY; those asked for while it is on its way become one more. Never throws. */
  send(): void
  /** Also where the database doesn't answer: then after a second. */
  close(): Promise<void>
}

/** @param onWake called for each message heard, also for this process' own */
export function listenForWakeUps(database: Database, log: Logger, onWake: () => void): WakeUp {
  let closed = false
  let listening: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined

  async function listen(): Promise<void> {
    let client: pg.Client | undefined
    try {
      client = await database.connect('waymark-listen')
      const lost = (error?: Error) => {
        if (listening !== client) return
        listening = undefined
        if (closed) return
        log.warn({ err: error }, 'the LISTEN connection broke; the feed polls until it is back')
        retryLater()
      }
      listening = client
      client.on('error', lost)
      client.on('end', () => lost())
      client.on('notification', onWake)
      if (closed) {
        await end(client)
        return
      }
      await client.query(`LISTEN ${CHANNEL}`)
      onWake()
    } catch (error) {
      if (closed) return
      log.debug({ err: error }, 'cannot LISTEN; will try again')
      listening = undefined
      retryLater()
      // One that is refused the LISTEN is connected all the same.
      if (client) await end(client)
    }
  }

  function retryLater(): void {
    clearTimeout(retry)
    retry = setTimeout(() => void (connecting = listen()), RECONNECT_MS)
  }

  const sending = coalesce(async () => {
    try {
      await database.query({ name: 'feed_notify', text: `SELECT pg_notify('${CHANNEL}', '')`, values: [] })
    } catch (error) {
      log.debug({ err: error }, 'NOTIFY failed; the others find out by polling')
    }
  }, SEND_PAUSE_MS)

  let connecting = listen()
  return {
    send() {
      if (!closed) sending.trigger()
    },
    async close() {
      closed = true
      clearTimeout(retry)
      // A LISTEN that a frozen database doesn't answer is cut short by the end of its connection.
      if (listening) await end(listening)
      await connecting
      clearTimeout(retry)
      await sending.settled()
    },
  }
}

async function end(client: pg.Client): Promise<void> {
  const cut = setTimeout(() => client.connection.stream.destroy(), END_WAIT_MS)
  await client.end().catch(() => undefined)
  clearTimeout(cut)
}
