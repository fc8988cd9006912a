import { Fault } from '../errors/fault.ts'

/**
 * read: queries and feeds. crawl: what a crawler does, including a clear that names its own session. operate: clear,
 * rollback, prune, configure, register, import, requestStop, requestStopSessions. admin: API keys.
 */
export const SCOPES = ['read', 'crawl', 'operate', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/**
 * The users that exist for a principal: all, or these. Every store function takes a reach, and treats other users as
 * missing.
 */
export type Reach = 'all' | ReadonlySet<string>

/** The credentials that a client sends, whichever transport it uses. */
export interface Credentials {
  /** The Authorization header, or `authorization` of a WebSocket's connection parameters. */
  readonly authorization: string | undefined
}

/** Who calls, what they may do, and which users exist for them. Every service takes its caller's principal. */
export interface Principal {
  /** Its name in the history, the log and the limits: "local", "key:<client>" or "jwt:<subject>". */
  readonly subject: string
  readonly scopes: ReadonlySet<Scope>
  readonly userIds: Reach
  /** When its credentials expire; null: never. */
  readonly expiresAt: Date | null
}

/**
 * The caller if nobody has to authenticate (a loopback address), and the caller of the command line: an operator who
 * reaches every user.
 */
export const localOperator: Principal = Object.freeze({
  subject: 'local',
  scopes: new Set(SCOPES),
  userIds: 'all',
  expiresAt: null,
})

export function reaches(reach: Reach, userId: string): boolean {
  return reach === 'all' || reach.has(userId)
}

/** Whether two principals may do the same, for the same users. */
export function sameRights(one: Principal, other: Principal): boolean {
  return isSameSet(one.scopes, other.scopes) && isSameReach(one.userIds, other.userIds)
}

function isSameReach(one: Reach, other: Reach): boolean {
  return one === 'all' || other === 'all' ? one === other : isSameSet(one, other)
}

function isSameSet(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((member) => other.has(member))
}

/** @throws Fault FORBIDDEN unless the caller has one of the scopes */
export function requireScope(caller: Principal, ...anyOf: readonly [Scope, ...Scope[]]): void {
  if (anyOf.some((scope) => caller.scopes.has(scope))) return
  throw new Fault(
    'FORBIDDEN',
    `This needs the scope "${anyOf.join('" or "')}", which ${caller.subject} does not have: ask an operator for it.`,
  )
}

/** @throws Fault FORBIDDEN if the caller is bound to some users: the operation concerns all of them */
export function requireFullReach(caller: Principal): void {
  if (caller.userIds === 'all') return
  throw new Fault(
    'FORBIDDEN',
    `This concerns every user, and ${caller.subject} is bound to some: ask an operator who is not.`,
  )
}
