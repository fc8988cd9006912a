import type { Asked } from './breaking-proxy.ts'
import { KEY, type Played } from './play.ts'
import type { JsonObject, Script } from './script.ts'
import { isAs } from './waymark-actions.ts'

/** What is not as the script says, or breaks a rule that holds for every crawl. Empty: all is well. */
export function complaintsOf(script: Script, played: Played): string[] {
  return [
    ...complainOfAsked(script, played),
    ...complainOfProcessed(script, played),
    ...complainOfEnds(script, played),
    ...complainOfKeys(played.asked),
    ...complainOfCounts(played),
    ...complainOfLateWrites(played.asked),
    ...complainOfSecrets(played),
  ]
}

/** Heartbeats that the script does not name may be sent at any time: how often depends on the machine. */
function complainOfAsked({ expect: { asked: expected } }: Script, { asked }: Played): string[] {
  let furthest = { at: 0, place: 0 }
  const isMatch = (at: number, place: number): boolean => {
    if (at > furthest.at) furthest = { at, place }
    const one = asked[at]
    const wanted = expected[place]
    if (!one) return expected.slice(place).every(({ may }) => may === true)
    if (wanted && isWanted(one, asked.slice(0, at), wanted)) {
      if (isMatch(at + 1, place + 1) || (wanted['more'] === true && isMatch(at + 1, place))) return true
    }
    if (wanted?.['may'] === true && isMatch(at, place + 1)) return true
    return isFreeHeartbeat(one) && isMatch(at + 1, place)
  }
  if (isMatch(0, 0)) return []
  const one = asked[furthest.at]
  const wanted = expected.slice(furthest.place, furthest.place + 2).map((entry) => JSON.stringify(entry))
  return [`operation ${furthest.at}: ${one ? show(one) : 'none'}, expected ${wanted.join(' or ') || 'no more'}`]
}

function isFreeHeartbeat({ field, input }: Asked): boolean {
  return field === 'heartbeat' && (input['rateLimitedUntil'] ?? null) === null
}

function isWanted(one: Asked, before: readonly Asked[], wanted: JsonObject): boolean {
  const { ask, input = {}, answer, again = false } = wanted
  if (one.field !== ask || !isAs(one.input, input, one.at)) return false
  if (answer !== undefined && one.result?.__typename !== answer) return false
  const earlier = before.findLast(({ field }) => field === one.field)
  const isSame = earlier !== undefined && JSON.stringify(earlier.input) === JSON.stringify(one.input)
  return again !== true || isSame
}

function complainOfProcessed({ expect: wanted }: Script, played: Played): string[] {
  const complaints: string[] = []
  const processed = played.processed.flatMap(({ items }) => items)
  if (!isAs(processed, wanted.processed)) complaints.push(`processed ${processed.join(' ')}`)
  if (wanted.fetched && !isAs(played.fetched, wanted.fetched))
    complaints.push(`fetched ${JSON.stringify(played.fetched)}, expected ${JSON.stringify(wanted.fetched)}`)
  const lastSave = played.asked.findLast(({ field }) => field === 'saveCheckpoint')
  if (wanted.lastSave && !isAs(lastSave?.input, wanted.lastSave))
    complaints.push(`the last save is ${JSON.stringify(lastSave?.input)}, expected ${JSON.stringify(wanted.lastSave)}`)
  let place = 0
  for (const event of played.events) if (event === wanted.events?.[place]) place += 1
  if (wanted.events && place < wanted.events.length)
    complaints.push(`events ${played.events.join(' ')}, expected ${wanted.events.join(' ')}`)
  for (const sessionId of new Set(played.processed.map((one) => one.sessionId))) {
    const ids = played.processed.filter((one) => one.sessionId === sessionId).flatMap(({ items }) => items)
    const twice = ids.filter((id, at) => ids.indexOf(id) < at)
    if (twice.length > 0) complaints.push(`session ${sessionId} processed ${twice.join(' ')} twice`)
  }
  return complaints
}

function complainOfEnds({ crawls, expect: { after = {} } }: Script, { ends, state }: Played): string[] {
  const complaints = crawls.flatMap(({ report, error, killed }, at) => {
    const expected = { ...(report && { report }), ...(error && { error }), ...(killed && { killed }) }
    return isAs(ends[at], expected)
      ? []
      : [`crawl ${at} ended with ${JSON.stringify(ends[at])}, expected ${JSON.stringify(expected)}`]
  })
  for (const [name, expected] of Object.entries(after)) {
    const actual = state[name as keyof Played['state']]
    if (!isAs(actual, expected))
      complaints.push(`${name} afterwards: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`)
  }
  return complaints
}

/** A save that adds has a key; a key is sent again only with the same save, and each save has its own. */
function complainOfKeys(asked: readonly Asked[]): string[] {
  const inputs = new Map<string, string>()
  return asked
    .filter(({ field }) => field === 'saveCheckpoint')
    .flatMap((save) => {
      const { sessionId, idempotencyKey, bookmarksAdded } = save.input
      if (idempotencyKey === null || idempotencyKey === undefined)
        return typeof bookmarksAdded === 'number' && bookmarksAdded > 0 ? [`a save without a key: ${show(save)}`] : []
      const key = JSON.stringify([sessionId, idempotencyKey])
      const input = JSON.stringify(save.input)
      const earlier = inputs.get(key)
      inputs.set(key, input)
      return earlier === undefined || earlier === input ? [] : [`one key, two saves: ${earlier} and ${input}`]
    })
}

/** No save counts what was not processed before it. */
function complainOfCounts({ asked, processed }: Played): string[] {
  const added = new Map<unknown, Map<unknown, number>>()
  return asked.flatMap((save, at) => {
    if (save.field !== 'saveCheckpoint') return []
    const { sessionId, idempotencyKey, bookmarksAdded } = save.input
    const ofSession = added.get(sessionId) ?? new Map<unknown, number>()
    added.set(sessionId, ofSession.set(idempotencyKey, Number(bookmarksAdded ?? 0)))
    const counted = [...ofSession.values()].reduce((sum, one) => sum + one, 0)
    const done = processed
      .filter((one) => one.sessionId === sessionId && one.asked <= at)
      .reduce((sum, { items }) => sum + items.length, 0)
    return counted > done ? [`${show(save)} counts ${counted}, where ${done} were processed`] : []
  })
}

const LOST = ['StaleEpochError', 'SessionClosedError', 'SessionNotFoundError']

/** Once a session is known to be lost, nothing is written in its name. */
function complainOfLateWrites(asked: readonly Asked[]): string[] {
  return asked.flatMap((one) => {
    if (one.broken || !LOST.includes(one.result?.__typename ?? '')) return []
    const { sessionId } = one.input
    return asked
      .slice(one.askedWhenAnswered)
      .filter((late) => late.input['sessionId'] === sessionId && late.field !== 'startSession')
      .map((late) => `${show(late)} after ${one.field} had been answered with ${one.result?.__typename}`)
  })
}

function complainOfSecrets({ asked, output }: Played): string[] {
  const complaints: string[] = []
  if (output.includes(KEY)) complaints.push('the key is in what the client wrote')
  for (const { authorization, path, variables } of asked) {
    if (authorization !== `Bearer ${KEY}`) complaints.push(`sent the key as ${authorization}`)
    if (path !== '/graphql' || JSON.stringify(variables).includes(KEY)) complaints.push(`asked at ${path}`)
  }
  return complaints
}

function show({ field, input, result }: Asked): string {
  return `${field} ${JSON.stringify(input)} -> ${result?.__typename ?? 'nothing'}`
}
