import { Fault } from './fault.ts'

/** read: queries and feeds. crawl: what a crawler does. operate: clear, register and the like. */
export type Scope = 'read' | 'crawl' | 'operate'

/** Who calls, what they may do and which users exist for them. Every service takes one. */
export interface Caller {
  readonly subject: string
  readonly scopes: ReadonlySet<Scope>
  readonly reach: 'all' | ReadonlySet<string>
}

/** The caller where nobody has to authenticate (a loopback address): an operator who reaches every user. */
export const localOperator: Caller = Object.freeze({
  subject: 'local',
  scopes: new Set<Scope>(['read', 'crawl', 'operate']),
  reach: 'all',
})

/** @throws Fault FORBIDDEN unless the caller has the scope */
export function requireScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.has(scope)) return
  throw new Fault(
    'FORBIDDEN',
    `This needs the scope "${scope}", which ${caller.subject} does not have: ask an operator for it.`,
  )
}
