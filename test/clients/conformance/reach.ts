import { readFileSync } from 'node:fs'
import { buildSchema, isUnionType } from 'graphql'
import type { Break } from './script.ts'
import type { Played } from './play.ts'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

/** The first column of the table of hazards in docs/crawling.md. */
export function hazardsOfDocs(): string[] {
  const [, section = ''] = read('docs/crawling.md').split('## Hazards\n')
  const [table = ''] = section.split('\n### ')
  const rows = table.split('\n').filter((line) => line.startsWith('|'))
  return rows.slice(2).map((row) => row.split('|')[1]?.trim() ?? '')
}

/** The operations of a crawl, by the union of their results. */
const UNIONS = {
  startSession: 'StartSessionResult',
  saveCheckpoint: 'SaveCheckpointResult',
  heartbeat: 'HeartbeatResult',
  completeSession: 'EndSessionResult',
  stopSession: 'EndSessionResult',
  failSession: 'EndSessionResult',
  pauseCrawl: 'PauseCrawlResult',
} as const

/** The end of a session takes nothing that could be wrong but its message, which the clients shorten. */
const NEVER = ['stopSession InvalidInputError', 'failSession InvalidInputError']

/** "<operation> <member>" for each answer that a crawl can meet. */
export function answersOfSchema(): string[] {
  const schema = buildSchema(read('schema.graphql'))
  return Object.entries(UNIONS)
    .flatMap(([field, union]) => {
      const type = schema.getType(union)
      if (!isUnionType(type)) throw new Error(`${union} is no union`)
      return type.getTypes().map(({ name }) => `${field} ${name}`)
    })
    .filter((answer) => !NEVER.includes(answer))
}

export function answersMet(played: readonly Played[]): Set<string> {
  return new Set(played.flatMap(({ asked }) => asked.map(({ field, result }) => `${field} ${result?.__typename}`)))
}

const MOMENTS = ['startSession', 'saveCheckpoint', 'heartbeat', 'completeSession']
const FAILURES: readonly Break[] = [
  ...(['refused', 'lost', 'half', 'silent', 'silentAfter'] as const).map((fails) => ({ fails })),
  ...[502, 503, 504].map((status) => ({ status })),
  { status: 504, after: true },
  { code: 'OVERLOADED', retryAfterSeconds: 1 },
  { code: 'RATE_LIMITED', retryAfterSeconds: 1 },
  { code: 'SERVICE_UNAVAILABLE', after: true },
]

/** "<operation> <failure>" for each failure of the network at each operation of a crawl. */
export function failuresAtEachMoment(): string[] {
  return MOMENTS.flatMap((field) => FAILURES.map((failure) => `${field} ${nameOf(failure)}`))
}

export function failuresMet(played: readonly Played[]): Set<string> {
  return new Set(
    played.flatMap(({ asked }) => asked.flatMap(({ field, broken }) => (broken ? [`${field} ${nameOf(broken)}`] : []))),
  )
}

function nameOf(failure: Break): string {
  return JSON.stringify(Object.fromEntries(Object.entries(failure).sort(([a], [b]) => a.localeCompare(b))))
}
