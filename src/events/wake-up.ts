import type pg from 'pg'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { coalesce } from './coalesce.ts'

const CHANNEL = 'waymark_feed'
const RECONNECT_MS = 1_000
/** NOTIFY takes a lock of the whole cluster when it commits: others are told so often at the most. */
const SEND_PAUSE_MS = 50

/** Tells the other replicas that the outbox grew, and hears them say so. A lost message costs latency only: the reader ticks too. */
export interface WakeUp {
  /** Sends one NOTIFY; those asked for while it is on its way become one more. Never throws. */
  send(): void
  close(): Promise<void>
}

/** @param onWake called for each message heard, also for this process' own */
export function listenForWakeUps(database: Database, log: Logger, onWake: () => void): WakeUp {
  let closed = false
  let listening: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined

  async function listen(): Promise<void> {
    try {
      const client = await database.connect('waymark-listen')
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
      await client.query(`LISTEN ${CHANNEL}`)
      if (closed) await client.end()
      else onWake()
    } catch (error) {
      if (closed) return
      log.debug({ err: error }, 'cannot LISTEN; will try again')
      listening = undefined
      retryLater()
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
      await connecting
      await sending.settled()
      const client = listening
      listening = undefined
      await client?.end().catch(() => undefined)
    },
  }
}
