import type pg from 'pg'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { coalesce } from '../concurrency/coalesce.ts'

const CHANNEL = 'waymark_feed'
const RECONNECT_MS = 1_000
/** A database that does not answer (frozen, or its link is dead) does not close the connection either. */
const END_WAIT_MS = 1_000
/** The shortest time between two NOTIFYs: each takes a lock of the whole cluster when it commits. */
const SEND_PAUSE_MS = 50

/**
 * Wakes the other replicas after a write, and hears when they write. A lost message costs only latency, since each
 * reader also looks every second.
 */
export interface WakeUp {
  /** Sends one NOTIFY. Calls while one is being sent are merged into one more. Never throws. */
  send(): void
  /** Takes about a second if the database does not answer. */
  close(): Promise<void>
}

export interface WakeUpListeners {
  /** Called each time that it begins to listen: messages before were missed. */
  readonly onListening: () => void
  /** Called for each message, also for those of this process. */
  readonly onWake: () => void
}

export function listenForWakeUps(database: Database, log: Logger, { onListening, onWake }: WakeUpListeners): WakeUp {
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
      onListening()
    } catch (error) {
      if (closed) return
      log.debug({ err: error }, 'cannot LISTEN; will try again')
      listening = undefined
      retryLater()
      // The connection is open even if LISTEN was refused.
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
      // If a frozen database does not answer LISTEN, closing the connection ends the wait.
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
