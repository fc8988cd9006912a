import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'
import { DocumentedProject } from './documented-project.ts'

// Browsers and Node.js 22 have one; docs/clients.md says what to do in 20.
if (!('WebSocket' in globalThis)) Object.assign(globalThis, { WebSocket })

/** A server with some data, and a project whose files use it. */
export interface ClientsWorld extends AsyncDisposable {
  readonly waymark: TestWaymark
  readonly project: DocumentedProject
}

/**
 * Starts one: alice has a checkpoint at item 20, and three sessions that have ended, s1 to s3.
 * @param settings environment variables of the server
 */
export async function startClientsWorld(settings: Record<string, string> = {}): Promise<ClientsWorld> {
  const waymark = await startWaymark(settings)
  const userId = 'alice'
  await mutate(waymark, 'registerUser', { userId })
  await mutate(waymark, 'saveCheckpoint', { userId, itemId: '20' })
  for (const sessionId of ['s1', 's2', 's3']) await runSession(waymark, sessionId)
  const project = await DocumentedProject.create()
  await project.use(waymark.url)
  expect(await project.node('schema.mjs')).toEqual({ code: 0, output: '' })
  return {
    waymark,
    project,
    async [Symbol.asyncDispose]() {
      await project[Symbol.asyncDispose]()
      await waymark[Symbol.asyncDispose]()
    },
  }
}

export const SESSION_CHANGES = `subscription Changes($after: String) {
  sessionStatusChanged(after: $after) { cursor kind sessionId } }`
/** What each event of it holds. */
export interface SessionChange {
  readonly kind: string
  readonly sessionId: string
}
export interface SessionChanges {
  readonly sessionStatusChanged: SessionChange
}

/** Subscribes to SESSION_CHANGES from a cursor on, by the client that is tried. @returns what ends the subscription */
export type Subscribe = (
  after: string,
  told: { readonly onChange: (change: SessionChange) => void; readonly onError: (error: unknown) => void },
) => () => void

/** Expects that a subscriber is told of a session of alice's from start to end, and of none after it has left. */
export async function expectToFollow(
  { waymark }: Pick<ClientsWorld, 'waymark'>,
  sessionId: string,
  subscribe: Subscribe,
): Promise<void> {
  const { sessions } = await waymark.ask('{ sessions(first: 1) { feedCursor } }')
  const later = `${sessionId}-later`
  const told: unknown[] = []
  const leave = subscribe(sessions.feedCursor as string, {
    // What was written just before the list was read may be told too.
    onChange: (change) =>
      [sessionId, later].includes(change.sessionId) && told.push(`${change.kind} ${change.sessionId}`),
    onError: (error) => told.push(error),
  })
  const all = [`STARTED ${sessionId}`, `STATUS_CHANGED ${sessionId}`]
  await runSession(waymark, sessionId)
  await expect.poll(() => told, { timeout: 20_000 }).toEqual(all)
  leave()
  await runSession(waymark, later)
  expect(told).toEqual(all)
}

/** Starts a session of alice's, and completes it. */
async function runSession(waymark: TestWaymark, sessionId: string): Promise<void> {
  await mutate(waymark, 'startSession', { userId: 'alice', sessionId })
  await mutate(waymark, 'completeSession', { sessionId })
}
