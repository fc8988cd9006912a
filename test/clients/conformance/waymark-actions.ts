import { expect } from 'vitest'
import type { TestWaymark } from '../../support/waymark.ts'
import type { Json, JsonObject } from './script.ts'

export interface Where {
  readonly userId: string
  readonly stream: string
}

/** What stands in Waymark after the crawls. */
export interface State {
  readonly checkpoint: JsonObject | null
  readonly plan: JsonObject | null
  /** In the order in which they were started. */
  readonly sessions: readonly JsonObject[]
  readonly pause: JsonObject | null
}

const ANSWER = '__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }'
const OF_LIST = ['startSession', 'saveCheckpoint', 'clearCheckpoint', 'pauseCrawl', 'unpauseCrawl', 'importCheckpoints']

/**
 * Does what a script has somebody else do: another crawler, or an operator.
 * @param input without the list's user and stream, which are put in
 * @returns the ID of the session that it started, if it did
 */
export async function actOnWaymark(
  waymark: Pick<TestWaymark, 'ask'>,
  field: string,
  input: JsonObject,
  { userId, stream }: Where,
): Promise<string | undefined> {
  const whole = {
    ...(OF_LIST.includes(field) && { userId, stream }),
    ...(field === 'registerUser' && { userId }),
    ...(field === 'configureStream' && { name: stream }),
    ...(field === 'importCheckpoints' && { bookmarksCount: 0, lastCrawledAt: new Date().toISOString() }),
    ...(field === 'importCheckpoints' && { headItemIds: [], anchorItemIds: [], complete: false }),
    ...input,
  }
  const isMany = field === 'importCheckpoints'
  const type = `${isMany ? 'ImportCheckpoint' : field.charAt(0).toUpperCase() + field.slice(1)}Input!`
  const argument = isMany ? '(inputs: [$input])' : '(input: $input)'
  const started = field === 'startSession' ? '... on StartSessionSuccess { session { sessionId } }' : ''
  const query = `mutation ($input: ${type}) { result: ${field}${argument} { ${ANSWER} ${started} } }`
  const { result } = await waymark.ask<{ result: any }>(query, { input: whole })
  const [one] = [result].flat()
  expect(one.code, `${field} ${JSON.stringify(whole)}: ${JSON.stringify(one)}`).toBeUndefined()
  return one.session?.sessionId as string | undefined
}

const STATE = `query ($userId: String!, $stream: String!) {
  checkpoint(userId: $userId, stream: $stream) { lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete
    fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds } }
  resumePlan(userId: $userId, stream: $stream) { mode afterItemId pageToken untilItemIds reason }
  crawlPause(userId: $userId, stream: $stream) { until reason }
  sessions(first: 50, filter: { userId: $userId, stream: $stream }) { nodes { sessionId status endReason errorMessage mode
    bookmarksProcessed worker outputFilePath directImport enableSummarization leaseSeconds startedAt epoch
    rateLimitHits stopReason } } }`

export async function readState(waymark: Pick<TestWaymark, 'ask'>, where: Where): Promise<State> {
  const { checkpoint, resumePlan, crawlPause, sessions } = await waymark.ask(STATE, { ...where })
  const inOrder = (sessions.nodes as { epoch: number }[]).toSorted((a, b) => a.epoch - b.epoch)
  return { checkpoint, plan: resumePlan, pause: crawlPause, sessions: inOrder as unknown as JsonObject[] }
}

/**
 * Whether a value is as the script says: what an object of the script does not name may be anything, null is also
 * what is not there, and a list has just the items of the script's list.
 */
export function isAs(actual: unknown, expected: Json, now = Date.now()): boolean {
  if (expected === null) return actual === null || actual === undefined
  if (typeof expected !== 'object') return actual === expected
  if (Array.isArray(expected))
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((one: Json, at) => isAs(actual[at], one, now))
    )
  const object = expected as JsonObject
  if (object['$any'] === true) return actual !== null && actual !== undefined
  if (typeof object['$matches'] === 'string')
    return typeof actual === 'string' && new RegExp(object['$matches']).test(actual)
  if (typeof object['$inSeconds'] === 'number') {
    const away = new Date(String(actual)).getTime() - now - object['$inSeconds'] * 1_000
    return Math.abs(away) <= 120_000
  }
  if (typeof object['$atLeast'] === 'number') return typeof actual === 'number' && actual >= object['$atLeast']
  if (typeof actual !== 'object' || actual === null) return false
  return Object.entries(object).every(([name, one]) => isAs((actual as Record<string, unknown>)[name], one, now))
}
