import { StartSessionDocument, type StartMode } from './generated/documents.ts'
import { randomKey } from './random-key.ts'
import { accept } from './refusals.ts'
import { type Send, Session } from './session.ts'
import type { RequestOptions } from './transport.ts'

export interface StartOptions {
  /** The user whose list it is. The user must be registered. */
  readonly userId: string
  /** Default: twitter/bookmarks. */
  readonly stream?: string | undefined
  /** AUTO: what the plan says. FULL: the whole list again. CATCH_UP: what is above an unfinished crawl. */
  readonly mode?: StartMode | undefined
  /** How long a crashed crawler blocks the next one: 5 to 3600. Default: 60. */
  readonly leaseSeconds?: number | undefined
  /** The host, pod or name of this crawler. */
  readonly worker?: string | undefined
  readonly outputFilePath?: string | undefined
  readonly directImport?: boolean | undefined
  readonly enableSummarization?: boolean | undefined
  /** Ends the present owner. */
  readonly takeover?: boolean | undefined
  /** Starts although the list is paused. Needs the scope operate. */
  readonly ignorePause?: boolean | undefined
  /** Default: the server makes one. */
  readonly sessionId?: string | undefined
  /** Default: a random one. */
  readonly idempotencyKey?: string | undefined
}

/**
 * Takes the list for one run.
 * @throws {BusyError} where another session owns it
 * @throws {PausedError} where it is paused
 */
export async function startSession(send: Send, start: StartOptions, options?: RequestOptions): Promise<Session> {
  // Not a spread: a caller may hand over an object that has more.
  const input = {
    userId: start.userId,
    stream: start.stream,
    mode: start.mode,
    leaseSeconds: start.leaseSeconds,
    worker: start.worker,
    outputFilePath: start.outputFilePath,
    directImport: start.directImport,
    enableSummarization: start.enableSummarization,
    takeover: start.takeover,
    ignorePause: start.ignorePause,
    sessionId: start.sessionId,
    idempotencyKey: start.idempotencyKey ?? randomKey(),
  }
  const { session, plan, checkpoint, ordering } = accept((await send(StartSessionDocument, { input }, options)).result)
  const { sessionId, userId, stream, leaseSeconds } = session
  return new Session(send, {
    ...{ sessionId, userId, stream, plan, checkpoint },
    leaseSeconds: leaseSeconds ?? start.leaseSeconds ?? 60,
    isAscending: ordering === 'ASCENDING',
  })
}
