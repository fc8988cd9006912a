import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import { CrawlModel, type Outcome, type SaveArguments } from './crawl-model.ts'
import { CRAWLERS, type Place, type SaveStep, type SessionSymbol, type Step } from './crawl-steps.ts'
import { inModelTerms, LOOK, operations } from './model-operations.ts'
import type { ModelServer } from './model-server.ts'

/** The literal table's, and one that demands growing item IDs. */
export const STREAMS = ['twitter/bookmarks', 'mastodon/model'] as const
const ASCENDING_STREAM = STREAMS[1]
const ODD_STREAMS = { unordered: 'youtube/model', malformed: 'mastodon model' } as const
const HOUR_MS = 3_600_000

/** More than whole seconds, so that no lease ends at the very moment that something else happens. */
const BETWEEN_MS = 10
let runs = 0

/** How many sessions were pruned, in all runs. */
export let pruned = 0

/** What has been answered to what, in all runs: `saveCheckpoint STALE_EPOCH`. */
export const answered = new Set<string>()

/** Runs the steps against the server and the model, with users of its own. @throws where the two differ, and says at which step */
export async function runSteps(server: ModelServer, steps: readonly Step[]): Promise<void> {
  runs += 1
  const name = `m${runs}-`
  const users = [0, 1, 2].map((user) => `${name}${user}`)
  const model = new CrawlModel(server.now)
  // What is of all users and streams is of the runs before, too.
  await server.sql(`DELETE FROM crawler.crawl_session; DELETE FROM crawler.stream_setting;
    INSERT INTO crawler.stream_setting (stream, ordering) VALUES ('${ASCENDING_STREAM}', 'ascending');
    INSERT INTO public."user" (id) VALUES ('${users[0]}'), ('${users[1]}')`)
  model.configureStream(ASCENDING_STREAM, 'ASCENDING')
  model.registerUser(users[0] ?? '')
  model.registerUser(users[1] ?? '')

  /** Of each crawler, the session it has started last. */
  const current = new Map<number, string>()
  /** Saves that succeeded under a key, to be sent again. */
  const keyed: SaveArguments[] = []
  let named = 0
  const visited = new Set<string>()

  const at = ({ user, stream }: Place) => {
    const place = { userId: users[user] ?? '', stream: STREAMS[stream] ?? STREAMS[0] }
    visited.add(`${place.userId} ${place.stream}`)
    return place
  }
  const sessionOf = (symbol: SessionSymbol): string => {
    if (symbol === 'unknown') return `${name}unknown`
    if ('of' in symbol) return current.get(symbol.of) ?? [...current.values()].at(-1) ?? `${name}unknown`
    const started = [...model.sessions.keys()]
    return started[symbol.nth % Math.max(started.length, 1)] ?? `${name}unknown`
  }
  const versionOf = ({ userId, stream }: { userId: string; stream: string }, expected: number | 'none' | undefined) => {
    if (expected === undefined) return undefined
    if (expected === 'none') return 0
    const place = model.place(userId, stream)
    return (place.content.itemId === null ? 0 : place.version) + expected
  }
  const limitOf = (tens: number | undefined) => (tens === undefined ? undefined : model.now + tens * 10_000)

  const toSave = (step: SaveStep): SaveArguments => {
    const sessionId = step.session && sessionOf(step.session)
    const session = model.sessions.get(sessionId ?? '')
    // A session's saves are mostly of its own user and stream: the nth session is an arbitrary one's.
    const own = session && typeof step.session === 'object' && 'of' in step.session
    const place = own ? { userId: session.userId, stream: session.stream } : at(step.at)
    visited.add(`${place.userId} ${place.stream}`)
    return omitUndefined({
      userId: place.userId,
      stream: step.tellStream ? place.stream : undefined,
      itemId: step.item,
      bookmarksCount: step.count.set,
      bookmarksAdded: step.count.added,
      sessionId,
      pageToken: step.token,
      headItemIds: step.head,
      expectedVersion: versionOf(step.tellStream || session ? place : { ...place, stream: STREAMS[0] }, step.expected),
      idempotencyKey: step.key,
      metrics: step.requests === undefined ? undefined : { apiRequests: step.requests, rateLimitHits: 1 },
      rateLimitedUntil: limitOf(step.rateLimited),
    })
  }
  const mutate = async (operation: keyof typeof operations, input: object): Promise<unknown> => {
    const { result } = await server.ask(operations[operation], { input: onTheWire(input) })
    const { type, code } = result as { readonly type: string; readonly code?: string }
    answered.add(`${operation} ${code ?? type}`)
    return inModelTerms(result)
  }
  const agree = (actual: unknown, foretold: unknown) => {
    // vitest's diff is for people, and slow.
    if (!isDeepStrictEqual(actual, foretold)) expect(actual).toEqual(foretold)
  }
  const save = async (input: SaveArguments): Promise<Outcome> => {
    const actual = await mutate('saveCheckpoint', input)
    const foretold = model.saveCheckpoint(input)
    agree(actual, foretold)
    return foretold
  }
  const look = async () => {
    for (const key of visited) {
      const [userId = '', stream = ''] = key.split(' ')
      const seen = inModelTerms(await server.ask(LOOK, { userId, stream }))
      agree(seen, {
        checkpoint: model.checkpointView(userId, stream),
        plan: model.planView(userId, stream),
        history: { nodes: model.historyView(userId, stream).slice(0, 100) },
        sessions: { nodes: model.sessionsView(userId, stream) },
      })
    }
  }

  async function take(step: Step): Promise<void> {
    switch (step.do) {
      case 'register': {
        const userId = users[step.user] ?? ''
        agree(await mutate('registerUser', { userId }), model.registerUser(userId))
        return
      }
      case 'start': {
        if (step.named === 'anew') named += 1
        const input = omitUndefined({
          ...at(step.at),
          leaseSeconds: step.leaseSeconds,
          takeover: step.takeover,
          mode: step.mode,
          idempotencyKey: step.key,
          ignorePause: step.ignorePause,
          sessionId: step.named === 'by the server' ? undefined : `${name}s${named}`,
        })
        const actual = (await mutate('startSession', input)) as Outcome & { readonly session?: { sessionId: string } }
        const madeId = actual.session?.sessionId ?? 'none'
        const foretold = model.startSession(input, madeId)
        agree(actual, foretold)
        if (foretold.type === 'StartSessionSuccess') current.set(step.crawler, madeId)
        return
      }
      case 'save': {
        const input = toSave(step.save)
        const { type } = await save(input)
        if (input.idempotencyKey !== undefined && /^(SaveCheckpoint|TokenSaved)Success$/.test(type)) keyed.push(input)
        return
      }
      case 'repeat': {
        const input = keyed.at(-1 - step.back)
        if (input) await save(input)
        return
      }
      case 'bulk': {
        const inputs = step.saves.map(toSave)
        const variables = { inputs: inputs.map(onTheWire), import: step.importing }
        const { result } = await server.ask(operations.saveCheckpoints, variables)
        const foretold = model.saveCheckpoints(inputs, { importing: step.importing })
        agree(asTypes(inModelTerms(result)), asTypes(foretold))
        return
      }
      case 'heartbeat': {
        const input = omitUndefined({
          sessionId: sessionOf(step.session),
          bookmarksProcessed: step.bookmarksProcessed,
          metrics: step.requests === undefined ? undefined : { apiRequests: step.requests, rateLimitHits: 1 },
          rateLimitedUntil: limitOf(step.rateLimited),
        })
        agree(await mutate('heartbeat', input), model.heartbeat(input))
        return
      }
      case 'end': {
        const input = omitUndefined({ sessionId: sessionOf(step.session), bookmarksProcessed: step.bookmarksProcessed })
        const why = step.how === 'FAILED' ? { errorMessage: 'it rained' } : {}
        agree(await mutate(step.how, { ...input, ...why }), model.endSession(step.how, input))
        return
      }
      case 'requestStop': {
        const input = { sessionId: sessionOf(step.session) }
        agree(await mutate('requestStop', input), model.requestStop(input))
        return
      }
      case 'requestStopSessions': {
        const filter = omitUndefined({
          userId: step.user === undefined ? undefined : users[step.user],
          stream: step.stream === undefined ? undefined : STREAMS[step.stream],
        })
        const { all, dryRun, expectedMatched } = step
        const input = omitUndefined({ filter, all, dryRun, expectedMatched })
        agree(await mutate('requestStopSessions', input), model.requestStopSessions(input))
        return
      }
      case 'clear': {
        const sessionId = step.session && sessionOf(step.session)
        const session = model.sessions.get(sessionId ?? '')
        const place = session ? { userId: session.userId, stream: session.stream } : at(step.at)
        const input = omitUndefined({ ...place, sessionId, expectedVersion: versionOf(place, step.expected) })
        agree(await mutate('clearCheckpoint', input), model.clearCheckpoint(input))
        return
      }
      case 'rollback': {
        const place = at(step.at)
        const { back, secondsAgo } = step.to
        const input = omitUndefined({
          ...place,
          toVersion: back === undefined ? undefined : model.place(place.userId, place.stream).version - back,
          // After all that has happened at its moment.
          toTime: secondsAgo === undefined ? undefined : model.now - secondsAgo * 1000 + BETWEEN_MS / 2,
          dryRun: step.dryRun,
          expectedVersion: versionOf(place, step.expected),
        })
        agree(await mutate('rollbackCheckpoint', input), model.rollbackCheckpoint(input))
        return
      }
      case 'pause': {
        const sessionId = step.session && sessionOf(step.session)
        const session = model.sessions.get(sessionId ?? '')
        const place = session ? { userId: session.userId, stream: session.stream } : at(step.at)
        const input = omitUndefined({ ...place, sessionId, until: model.now + step.tens * 10_000, reason: step.reason })
        agree(await mutate('pauseCrawl', input), model.pauseCrawl(input))
        return
      }
      case 'unpause': {
        const place = at(step.at)
        agree(await mutate('unpauseCrawl', place), model.unpauseCrawl(place))
        return
      }
      case 'move': {
        const [from, to] = [step.from, step.to].map((user) => users[user] ?? '')
        for (const user of [step.from, step.to]) for (const stream of STREAMS.keys()) at({ user, stream })
        const input = omitUndefined({
          ...{ fromUserId: from ?? '', toUserId: to ?? '' },
          stream: step.stream === undefined ? undefined : STREAMS[step.stream],
          allStreams: step.allStreams,
          dryRun: step.dryRun,
        })
        agree(await mutate('moveCheckpoint', input), model.moveCheckpoint(input))
        return
      }
      case 'foreignMove': {
        const { userId, stream } = at(step.at)
        const to = at({ user: step.to, stream: step.at.stream }).userId
        const isPossible = to !== userId && model.users.has(to) && model.checkpointView(to, stream) === null
        if (!isPossible || model.checkpointView(userId, stream) === null) return
        await server.sql('UPDATE crawler.crawl_checkpoint SET user_id = $3 WHERE user_id = $1 AND stream = $2', [
          ...[userId, stream, to],
        ])
        model.externalMove(userId, to, stream)
        return
      }
      case 'prune': {
        for (const then of step.later ? (['reap', 'nothing'] as const) : []) {
          await server.advance(26 * HOUR_MS + BETWEEN_MS, then)
          model.advance(26 * HOUR_MS + BETWEEN_MS)
          if (then === 'reap') model.reap()
        }
        const input = omitUndefined({
          completedBefore: model.now - step.endedHoursAgo * HOUR_MS,
          status: step.status,
          userId: step.user === undefined ? undefined : users[step.user],
          stream: step.stream === undefined ? undefined : STREAMS[step.stream],
          dryRun: step.dryRun,
        })
        const foretold = model.pruneSessions(input)
        agree(await mutate('pruneSessions', input), foretold)
        pruned += step.dryRun ? 0 : Number(foretold['count'])
        return
      }
      case 'configure': {
        const name = typeof step.stream === 'number' ? (STREAMS[step.stream] ?? STREAMS[0]) : ODD_STREAMS[step.stream]
        const ordering = step.ascending ? 'ASCENDING' : 'NONE'
        agree(await mutate('configureStream', { name, ordering }), model.configureStream(name, ordering))
        return
      }
      case 'foreignSave': {
        const { userId, stream } = at(step.at)
        if (!model.users.has(userId)) return
        if (model.checkpointView(userId, stream) === null) {
          if (step.item === undefined) return
          // The table as the original project knows it; the others are where the literal one is attached.
          await (stream === STREAMS[0]
            ? server.sql(
                `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id, last_crawled_at, bookmarks_count)
                VALUES ($1, $2, now(), $3)`,
                [userId, step.item, step.added],
              )
            : server.sql(
                `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count)
                VALUES ($1, $2, $3, now(), $4)`,
                [userId, stream, step.item, step.added],
              ))
        } else {
          if ((model.checkpointView(userId, stream)?.bookmarksCount ?? 0) > 2_000_000_000) return
          const table = stream === STREAMS[0] ? 'twitter_crawl_checkpoint' : 'crawl_checkpoint'
          await server.sql(
            `UPDATE crawler.${table} SET last_tweet_id = coalesce($3, last_tweet_id), bookmarks_count = bookmarks_count + $4
            WHERE user_id = $1 AND stream = $2`,
            [userId, stream, step.item, step.added],
          )
        }
        model.externalSave(userId, stream, step.item, step.added)
        return
      }
      case 'foreignDelete': {
        const { userId, stream } = at(step.at)
        const table = stream === STREAMS[0] ? 'twitter_crawl_checkpoint' : 'crawl_checkpoint'
        await server.sql(`DELETE FROM crawler.${table} WHERE user_id = $1 AND stream = $2`, [userId, stream])
        model.externalClear(userId, stream)
        return
      }
      case 'foreignSession': {
        const { userId, stream } = at(step.at)
        if (!model.users.has(userId)) return
        named += 1
        const sessionId = `${name}s${named}`
        await server.sql(
          `INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, status)
          VALUES ($1, $2, $3, crawler.clock(), 'running')`,
          [sessionId, userId, stream],
        )
        model.externalSession(sessionId, userId, stream)
        current.set(named % CRAWLERS, sessionId)
        return
      }
      case 'deleteUser': {
        const userId = users[step.user] ?? ''
        await server.sql('DELETE FROM public."user" WHERE id = $1', [userId])
        model.deleteUser(userId)
        return
      }
      case 'advance': {
        const milliseconds = step.seconds * 1000 + BETWEEN_MS
        await server.advance(milliseconds, step.then)
        if (step.then === 'outage') model.outage(milliseconds)
        else model.advance(milliseconds)
        if (step.then === 'reap') model.reap()
        return
      }
      case 'look':
        await look()
    }
  }

  for (const [place, step] of steps.entries()) {
    try {
      await take(step)
    } catch (error) {
      if (error instanceof Error) error.message = `step ${place + 1}, ${step.do}: ${error.message}`
      throw error
    }
  }
  await look()
}

/** A later save of the same request may have changed what a success shows by the time that it is read: compare the rest. */
function asTypes(results: unknown): unknown {
  return (results as Outcome[]).map(({ type, code, created, currentEpoch, currentVersion, lastItemId }) => ({
    type,
    code,
    created,
    currentEpoch,
    currentVersion,
    lastItemId,
  }))
}

function omitUndefined<Value extends object>(
  value: Value,
): { [Field in keyof Value]: Exclude<Value[Field], undefined> } {
  const entries = Object.entries(value).filter(([, given]) => given !== undefined)
  return Object.fromEntries(entries) as { [Field in keyof Value]: Exclude<Value[Field], undefined> }
}

/** Times are milliseconds in the model. */
function onTheWire(input: object): object {
  const entries = Object.entries(input).map(([field, value]: [string, unknown]) =>
    /(Until|Before|Time)$|^until$/.test(field) && typeof value === 'number'
      ? [field, new Date(value).toISOString()]
      : [field, value],
  )
  return Object.fromEntries(entries) as object
}
