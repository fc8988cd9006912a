import fc from 'fast-check'

/**
 * What one step of a run does, in symbols: crawlers, users, streams and sessions by number, versions relative to the current one.
 * They get their values when the step runs, so that a run with steps taken out still makes sense, and a failure shrinks to the few that matter.
 */
export type Step =
  | { readonly do: 'register'; readonly user: number }
  | {
      readonly do: 'start'
      readonly crawler: number
      readonly at: Place
      readonly leaseSeconds: number | undefined
      readonly takeover: boolean
      readonly mode: 'AUTO' | 'FULL' | 'CATCH_UP'
      readonly key: string | undefined
      readonly named: Naming
      readonly ignorePause: boolean
    }
  | {
      readonly do: 'pause'
      readonly at: Place
      readonly session: SessionSymbol | undefined
      /** Tens of seconds from now. */
      readonly tens: number
      readonly reason: string | undefined
    }
  | { readonly do: 'unpause'; readonly at: Place }
  | {
      readonly do: 'move'
      readonly from: number
      readonly to: number
      readonly stream: number | undefined
      readonly allStreams: boolean
      readonly dryRun: boolean
    }
  | { readonly do: 'foreignMove'; readonly at: Place; readonly to: number }
  | { readonly do: 'save'; readonly save: SaveStep }
  | { readonly do: 'repeat'; readonly back: number }
  | { readonly do: 'bulk'; readonly importing: boolean; readonly saves: readonly SaveStep[] }
  | {
      readonly do: 'heartbeat'
      readonly session: SessionSymbol
      readonly bookmarksProcessed: number | undefined
      readonly requests: number | undefined
      readonly rateLimited: number | undefined
    }
  | {
      readonly do: 'end'
      readonly how: 'COMPLETED' | 'STOPPED' | 'FAILED'
      readonly session: SessionSymbol
      readonly bookmarksProcessed: number | undefined
    }
  | { readonly do: 'requestStop'; readonly session: SessionSymbol }
  | {
      readonly do: 'requestStopSessions'
      readonly user: number | undefined
      readonly stream: number | undefined
      readonly all: boolean
      readonly dryRun: boolean
      readonly expectedMatched: number | undefined
    }
  | {
      readonly do: 'clear'
      readonly at: Place
      readonly session: SessionSymbol | undefined
      readonly expected: Expected
    }
  | {
      readonly do: 'rollback'
      readonly at: Place
      /** Versions before the current one (negative: ahead of it), a time, or wrongly both. */
      readonly to: { readonly back?: number; readonly secondsAgo?: number }
      readonly dryRun: boolean
      readonly expected: Expected
    }
  | {
      readonly do: 'prune'
      /** Two days pass first, after the first of which all leases have run out: what ended within a day stays. */
      readonly later: boolean
      readonly endedHoursAgo: number
      readonly status: readonly ('COMPLETED' | 'STOPPED' | 'FAILED' | 'RUNNING')[] | undefined
      readonly user: number | undefined
      readonly stream: number | undefined
      readonly dryRun: boolean
    }
  | { readonly do: 'configure'; readonly stream: number | 'unordered' | 'malformed'; readonly ascending: boolean }
  | { readonly do: 'foreignSave'; readonly at: Place; readonly item: string | undefined; readonly added: number }
  | { readonly do: 'foreignDelete'; readonly at: Place }
  | { readonly do: 'foreignSession'; readonly at: Place }
  | { readonly do: 'deleteUser'; readonly user: number }
  | { readonly do: 'advance'; readonly seconds: number; readonly then: 'nothing' | 'reap' | 'outage' }
  | { readonly do: 'look' }

export interface Place {
  readonly user: number
  readonly stream: number
}

/** A crawler's latest session, one of all by age, or one that isn't. */
export type SessionSymbol = { readonly of: number } | { readonly nth: number } | 'unknown'

type Naming = 'by the server' | 'anew' | 'as the last'
type Expected = undefined | 'none' | number

export interface SaveStep {
  readonly session: SessionSymbol | undefined
  readonly at: Place
  /** Name the stream, or leave it to the session. */
  readonly tellStream: boolean
  readonly item: string | null
  readonly count: { readonly set?: number; readonly added?: number }
  readonly token: string | undefined
  readonly head: readonly string[] | undefined
  readonly expected: Expected
  readonly key: string | undefined
  readonly requests: number | undefined
  readonly rateLimited: number | undefined
}

export const CRAWLERS = 5

const sometimes = <Value>(weight: number, value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.oneof({ weight: 10, arbitrary: fc.constant(undefined) }, { weight, arbitrary: value })

/** Most of what happens happens at one place, or nothing would meet. */
const place = fc.record({
  user: fc.oneof({ weight: 7, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(2) }),
  stream: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.constant(1) }),
})
const crawler = fc.nat(CRAWLERS - 1)
const session: fc.Arbitrary<SessionSymbol> = fc.oneof(
  { weight: 12, arbitrary: crawler.map((of) => ({ of })) },
  { weight: 3, arbitrary: fc.nat(9).map((nth) => ({ nth })) },
  { weight: 1, arbitrary: fc.constant('unknown' as const) },
)
const item = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 6 }).map(String) },
  { weight: 1, arbitrary: fc.constant('0') },
)
/** A page without items, which has neither a head nor a count. */
const itemless = { item: null, count: {}, head: undefined }
const head = fc.array(fc.integer({ min: 20, max: 24 }).map(String), { minLength: 0, maxLength: 3 })
const expected: fc.Arbitrary<Expected> = sometimes(
  4,
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 1) },
  ),
)
const rateLimited = sometimes(
  2,
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 20 }) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 9_000) },
  ),
)
const count = fc.oneof(
  { weight: 6, arbitrary: fc.nat(50).map((added) => ({ added })) },
  { weight: 3, arbitrary: fc.nat(50).map((set) => ({ set })) },
  { weight: 2, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ set: 1, added: 1 }, { set: 2_147_483_640 }, { added: 2_147_483_640 }),
  },
)
const requests = sometimes(3, fc.nat(9))

const save: fc.Arbitrary<SaveStep> = fc.record({
  session: fc.oneof({ weight: 8, arbitrary: session }, { weight: 3, arbitrary: fc.constant(undefined) }),
  at: place,
  tellStream: fc.boolean(),
  item,
  count,
  token: sometimes(8, fc.constantFrom('t1', 't2')),
  head: sometimes(8, head),
  expected,
  key: sometimes(5, fc.constantFrom('k1', 'k2', 'k3')),
  requests,
  rateLimited,
})

/** Most saves have an item. Of those without one, most are what they have to be. */
const anySave: fc.Arbitrary<SaveStep> = fc.oneof(
  { weight: 12, arbitrary: save },
  { weight: 2, arbitrary: save.map((step) => ({ ...step, ...itemless, token: step.token ?? 't3' })) },
  { weight: 1, arbitrary: save.map((step) => ({ ...step, item: null })) },
)

const imported = save.map(
  // A complete checkpoint with a page token is nothing that the contract speaks of.
  (step): SaveStep => ({ ...step, session: undefined, key: undefined, token: step.head ? undefined : step.token }),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('start' as const),
      crawler,
      at: place,
      leaseSeconds: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(5, 20, undefined) },
        { weight: 1, arbitrary: fc.constantFrom(4, 3600, 3601) },
      ),
      takeover: fc.oneof({ weight: 2, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      mode: fc.oneof(
        { weight: 6, arbitrary: fc.constant('AUTO' as const) },
        { weight: 1, arbitrary: fc.constant('FULL' as const) },
        { weight: 3, arbitrary: fc.constant('CATCH_UP' as const) },
      ),
      key: sometimes(4, fc.constantFrom('a', 'k1')),
      named: fc.oneof(
        { weight: 5, arbitrary: fc.constant('by the server' as const) },
        { weight: 2, arbitrary: fc.constant('anew' as const) },
        { weight: 1, arbitrary: fc.constant('as the last' as const) },
      ),
      ignorePause: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pause' as const),
      at: place,
      session: fc.oneof({ weight: 6, arbitrary: session }, { weight: 2, arbitrary: fc.constant(undefined) }),
      // Short, or nothing would start any more.
      tens: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) },
        { weight: 1, arbitrary: fc.constantFrom(0, -1, 400 * 8_640 + 1) },
      ),
      reason: fc.constantFrom(undefined, 'a rest'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unpause' as const), at: place }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      from: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(2) }),
      to: fc.nat(2),
      stream: fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 3, arbitrary: fc.nat(1) }),
      allStreams: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      dryRun: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('foreignMove' as const), at: place, to: fc.nat(2) }) },
  { weight: 22, arbitrary: fc.record({ do: fc.constant('save' as const), save: anySave }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('repeat' as const), back: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('bulk' as const),
      importing: fc.constant(false),
      saves: fc.array(anySave, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('bulk' as const),
      importing: fc.constant(true),
      saves: fc.array(imported, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('heartbeat' as const),
      session,
      bookmarksProcessed: sometimes(5, fc.nat(60)),
      requests,
      rateLimited,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      how: fc.constantFrom('COMPLETED' as const, 'COMPLETED' as const, 'STOPPED' as const, 'FAILED' as const),
      session,
      bookmarksProcessed: sometimes(2, fc.nat(60)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('requestStop' as const), session }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('requestStopSessions' as const),
      user: sometimes(2, fc.nat(2)),
      stream: sometimes(2, fc.nat(1)),
      all: fc.boolean(),
      dryRun: fc.boolean(),
      expectedMatched: sometimes(2, fc.nat(2)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('clear' as const), at: place, session: sometimes(8, session), expected }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('rollback' as const),
      at: place,
      to: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: -1, max: 6 }).map((back) => ({ back })) },
        { weight: 3, arbitrary: fc.constantFrom(0, 9, 20, 100).map((secondsAgo) => ({ secondsAgo })) },
        { weight: 1, arbitrary: fc.constant({ back: 1, secondsAgo: 0 }) },
      ),
      dryRun: fc.boolean(),
      expected,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('prune' as const),
      later: fc.boolean(),
      endedHoursAgo: fc.constantFrom(0, 0, 0, 27, 60),
      status: sometimes(
        4,
        fc.uniqueArray(
          fc.constantFrom('COMPLETED' as const, 'STOPPED' as const, 'FAILED' as const, 'RUNNING' as const),
        ),
      ),
      user: sometimes(4, fc.nat(2)),
      stream: sometimes(3, fc.nat(1)),
      dryRun: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('configure' as const),
      stream: fc.oneof(
        { weight: 6, arbitrary: fc.nat(1) },
        { weight: 1, arbitrary: fc.constantFrom('unordered' as const, 'malformed' as const) },
      ),
      ascending: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('foreignSave' as const),
      at: place,
      item: fc.option(fc.integer({ min: 1, max: 6 }).map(String), { nil: undefined }),
      added: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('foreignDelete' as const), at: place }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('foreignSession' as const), at: place }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('deleteUser' as const), user: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('register' as const), user: fc.nat(2) }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      seconds: fc.constantFrom(4, 9, 15, 30, 70),
      then: fc.constantFrom('nothing' as const, 'nothing' as const, 'reap' as const, 'outage' as const),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'look' as const }) },
)

/** A run begins with a session that works, so that most of its steps have something to meet. */
export function runOf(steps: { readonly atMost: number }): fc.Arbitrary<readonly Step[]> {
  return fc.array(step, { minLength: 1, maxLength: steps.atMost, size: 'max' })
}
