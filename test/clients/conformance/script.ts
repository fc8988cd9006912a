import { readdirSync, readFileSync } from 'node:fs'
import { z } from 'zod'

/** The folder of the scripts. Its README.md says what each member means. */
export const FOLDER = new URL('../../../clients/conformance/', import.meta.url)

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
export type JsonObject = { readonly [name: string]: Json }

/** Whatever answers fetchPage. What is left out is as the list has it. */
export interface PageAnswer {
  readonly items?: readonly string[]
  readonly nextToken?: string | null
  readonly rateLimitedSeconds?: number
  readonly pageTokenRefused?: true
  readonly needsAttention?: string
  readonly error?: string
}

export interface PlatformScript {
  /** In the order in which the platform shows them. */
  readonly items: readonly string[]
  readonly pageSize: number
  readonly pinned?: string
  readonly window?: number
  /** After each of these items comes an empty page. */
  readonly emptyAfter?: readonly string[]
  /** By token; "top" is the first page. */
  readonly answers?: { readonly [token: string]: PageAnswer }
}

export type Action =
  | { readonly add: readonly string[] }
  | { readonly append: readonly string[] }
  | { readonly remove: readonly string[] }
  | { readonly again: readonly string[] }
  | { readonly pin: string }
  | { readonly waymark: string; readonly input?: JsonObject }
  | { readonly sql: 'expireLease' | 'forgetSession' | 'forgetUser' }
  | { readonly stop: true }
  | { readonly kill: true }
  | { readonly sleepSeconds: number }
  | { readonly passSeconds: number }
  | { readonly downSeconds: number }
  | { readonly restartServer: true }

/** The client gets this in place of an answer of the server. */
export interface Forgery {
  readonly answers: JsonObject & { readonly __typename: string }
}

export type Break =
  | Forgery
  | { readonly fails: 'refused' | 'lost' | 'half' | 'silent' | 'silentAfter' }
  | { readonly status: number; readonly after?: true }
  | { readonly code: string; readonly retryAfterSeconds?: number; readonly after?: true }

/** Exactly one of the first five names the moment. */
export interface Moment {
  readonly fetch?: number
  readonly process?: number
  readonly ask?: string
  readonly answered?: string
  readonly event?: string
  /** Only in the crawl of this number. */
  readonly crawl?: number
  readonly nth?: number
  readonly times?: number
  readonly do?: readonly Action[]
  readonly answer?: PageAnswer
  readonly added?: number
  readonly network?: Break
}

export interface CrawlStep {
  readonly options?: JsonObject
  readonly first?: readonly Action[]
  readonly report?: JsonObject
  readonly error?: JsonObject
  readonly killed?: true
}

export interface Script {
  readonly file: string
  readonly title: string
  readonly hazards?: readonly string[]
  readonly stream?: string
  readonly registered?: false
  /** How long the client may try a request, all repeats together. */
  readonly retryBudgetMs?: number
  /** How long the client waits for one answer. */
  readonly timeoutMs?: number
  readonly before?: readonly Action[]
  readonly platform: PlatformScript
  readonly during?: readonly Moment[]
  readonly crawls: readonly CrawlStep[]
  readonly expect: {
    readonly asked: readonly JsonObject[]
    readonly processed: readonly string[]
    readonly fetched?: readonly (string | null)[]
    readonly events?: readonly string[]
    /** Of all that were sent. */
    readonly lastSave?: JsonObject
    readonly after?: JsonObject
  }
}

const schema = z.fromJSONSchema(
  JSON.parse(readFileSync(new URL('schema/script.schema.json', FOLDER), 'utf8')) as Parameters<
    typeof z.fromJSONSchema
  >[0],
)

/** @throws where the file is not as the schema says */
export function validateScript(file: string, content: unknown): Script {
  const parsed = schema.safeParse(content)
  if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`)
  return { ...(parsed.data as Omit<Script, 'file'>), file }
}

/** All scripts, by the names of their files. */
export function readScripts(): Script[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => validateScript(name.replace(/\.json$/, ''), JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8'))))
}
