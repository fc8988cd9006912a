import { expect } from 'vitest'
import type { Ask } from '../integration/http/transports.ts'
import { transports } from '../integration/http/transports.ts'
import type { TestDatabase } from '../support/database.ts'

/** How an attacker reaches the server. */
export type Way = keyof typeof transports

/** The server under attack: AUTHENTICATION=keys,jwt, and a heap of 512 MiB. */
export interface Target {
  /** http://host:port/graphql */
  readonly url: string
  readonly port: number
  readonly database: TestDatabase
  /** An Authorization header with a key for every scope but admin, which reaches every user. */
  readonly insider: string
  /** An Authorization header with a token that is valid and has no scopes. */
  readonly scopeless: string
  /** An Authorization header with a token of these claims over valid ones, signed by the issuer that the server trusts. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>
}

/** One attack. Files in ./attacks export theirs as `attack`; attacker.test.ts runs each of them. */
export interface Attack {
  /** What the attacker does. It ends the sentence "beside a crawler: ...". */
  readonly title: string
  /** Fills the database before the crawler starts. */
  readonly prepare?: (target: Target) => Promise<void>
  /**
   * The attack by each way that it can go. It resolves when the attack is over, leaves no connection behind, and throws where what
   * came back is wrong. Sizes are `rounds(full, short)` of rounds.ts: all ways of one attack take at most 3 s in the short round.
   */
  readonly ways: Partial<Record<Way, (target: Target) => Promise<void>>>
}

/** The same attack by each of the three ways. */
export function overEachWay(attack: (ask: Ask, target: Target) => Promise<void>): Required<Attack['ways']> {
  const by = (way: Way) => (target: Target) => attack(transports[way], target)
  return { HTTP: by('HTTP'), SSE: by('SSE'), WebSocket: by('WebSocket') }
}

/** Sends one operation as the insider and expects one top-level error with this code. */
export async function expectCode(
  ask: Ask,
  target: Target,
  code: string,
  query: string,
  variables?: Record<string, unknown>,
): Promise<void> {
  const { errors } = await ask(target.url, query, variables, { authorization: target.insider })
  expect(errors?.map(({ extensions }) => extensions['code'])).toEqual([code])
}
