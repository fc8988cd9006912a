import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

/** One save that a crawler has sent, and what it heard of it. */
export interface LedgerEntry {
  readonly stream: string
  readonly key: string
  readonly added: number
  /** unheard: its crawler was killed before an answer came. */
  state: 'unheard' | 'accepted' | 'refused'
}

/** What all crawlers of a fight share. */
export interface Fight {
  readonly userId: string
  readonly streams: readonly string[]
  /** Where the server is now; it is killed and started again. */
  readonly url: () => string
  readonly isOver: () => boolean
  readonly ledger: LedgerEntry[]
  /** How often what happened, to see that it was a fight. */
  readonly happened: Map<string, number>
}

/** Too short for a page, now and then, so that sessions expire under their crawlers. */
const LEASE_SECONDS = 5
const MOST_PAGES = 30
const RETRY_MS = 50
/** Whose streams are taken over from crawlers that still live. Where all are, no lease gets to run out. */
const IMPATIENT_PLATFORM = 'twitter/'

const START = `mutation ($input: StartSessionInput!) { result: startSession(input: $input) {
  __typename ... on UserError { code } ... on StartSessionSuccess { session { sessionId } } } }`
const SAVE = `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) {
  __typename ... on UserError { code } } }`
const COMPLETE = `mutation ($input: CompleteSessionInput!) { result: completeSession(input: $input) {
  __typename ... on UserError { code } } }`

interface Result {
  readonly __typename: string
  readonly code?: string
  readonly session?: { readonly sessionId: string }
}

/** Thrown through everything that a killed crawler was doing. */
class Killed extends Error {}

/** Lives again and again until the fight is over: takes a stream, crawls, and is killed at any moment, also between a request and its answer. */
export async function fight(shared: Fight): Promise<void> {
  while (!shared.isOver()) {
    const killed = new AbortController()
    const life = setTimeout(() => {
      killed.abort()
    }, Math.random() * 4_000)
    try {
      while (!shared.isOver()) await crawl(shared, killed.signal)
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      count(shared, 'killed')
    } finally {
      clearTimeout(life)
    }
  }
}

async function crawl(shared: Fight, killed: AbortSignal): Promise<void> {
  const stream = shared.streams[Math.floor(Math.random() * shared.streams.length)] ?? ''
  const started = await askUntilAnswered(shared, killed, START, {
    userId: shared.userId,
    stream,
    leaseSeconds: LEASE_SECONDS,
    // The others' streams are lost by a lease that runs out, or by an end.
    takeover: stream.startsWith(IMPATIENT_PLATFORM) && chance(0.2),
    idempotencyKey: randomUUID(),
  })
  count(shared, started.code ?? 'started')
  const sessionId = started.session?.sessionId
  if (sessionId === undefined) return pause(killed, RETRY_MS)
  const pages = Math.ceil(Math.random() * MOST_PAGES)
  for (let page = 1; page <= pages; page += 1) {
    if (shared.isOver()) return
    // A crawler that the machine has put to sleep for longer than its lease wakes as a zombie.
    await pause(killed, chance(0.01) ? LEASE_SECONDS * 1000 + 1_500 : Math.random() * 20)
    const entry: LedgerEntry = { stream, key: randomUUID(), added: Math.ceil(Math.random() * 5), state: 'unheard' }
    shared.ledger.push(entry)
    const input = {
      userId: shared.userId,
      stream,
      sessionId,
      itemId: String(page),
      bookmarksAdded: entry.added,
      pageToken: `page-${page}`,
      idempotencyKey: entry.key,
    }
    const saved = await askUntilAnswered(shared, killed, SAVE, input)
    entry.state = saved.__typename === 'SaveCheckpointSuccess' ? 'accepted' : 'refused'
    count(shared, saved.code ?? 'saved')
    if (saved.code !== undefined) return
  }
  await askUntilAnswered(shared, killed, COMPLETE, { sessionId })
  count(shared, 'completed')
}

/** Sends the same again until there is an answer: the server may be down, or the crawler impatient. */
async function askUntilAnswered(shared: Fight, killed: AbortSignal, query: string, input: object): Promise<Result> {
  for (;;) {
    const impatient = chance(0.05) ? AbortSignal.timeout(Math.ceil(Math.random() * 5)) : undefined
    try {
      const response = await fetch(shared.url(), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables: { input } }),
        signal: AbortSignal.any(impatient ? [killed, impatient] : [killed]),
      })
      const { data } = (await response.json()) as { data?: { result?: Result } | null }
      if (data?.result) return data.result
    } catch {
      // No answer: it may have been done or not.
    }
    if (killed.aborted) throw new Killed()
    count(shared, 'retried')
    await pause(killed, RETRY_MS)
  }
}

async function pause(killed: AbortSignal, milliseconds: number): Promise<void> {
  await sleep(milliseconds, undefined, { signal: killed }).catch(() => undefined)
  if (killed.aborted) throw new Killed()
}

function chance(of: number): boolean {
  return Math.random() < of
}

function count({ happened }: Fight, what: string): void {
  happened.set(what, (happened.get(what) ?? 0) + 1)
}
