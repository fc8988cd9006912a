import type { ExecutionResult } from 'graphql'
import { type FaultCode, RETRIABLE } from '../../errors/fault.ts'
import type { MediaType } from './accept.ts'

/**
 * The HTTP status of an answer that has no data because of such a fault. A caller's mistake that is found during
 * execution stays 200, as the GraphQL over HTTP specification recommends. These faults get a status of their own,
 * because a proxy, a monitor or a retrying client must notice them.
 */
const WITHOUT_DATA: Partial<Record<FaultCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  RATE_LIMITED: 429,
  INTERNAL_SERVER_ERROR: 500,
  OVERLOADED: 503,
  SERVICE_UNAVAILABLE: 503,
}
/** Errors in the request itself are 400, but 200 if the client accepts plain JSON only, as old clients expect. */
const OF_REQUEST = new Set<FaultCode>([
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'PERSISTED_QUERY_ONLY',
])

/** An answer's HTTP status and the headers that belong to it. */
export interface AnswerStatus {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The status of an answer: the highest one that the codes of its errors ask for.
 * @param result the result as the client gets it
 */
export function statusOf({ data, errors = [] }: ExecutionResult, mediaType: MediaType): AnswerStatus {
  let status = 200
  const headers: Record<string, string> = {}
  for (const { path, extensions } of errors) {
    const code = extensions['code'] as FaultCode
    const isOfRequest = OF_REQUEST.has(code) || (code === 'BAD_USER_INPUT' && path === undefined)
    if (isOfRequest) {
      if (mediaType === 'application/graphql-response+json') status = Math.max(status, 400)
      continue
    }
    // A retriable fault must also be noticed if the failed field is nullable: {"data": {"checkpoint": null}} counts as
    // no data.
    const hasData = RETRIABLE.has(code) ? Object.values(data ?? {}).some((value) => value !== null) : data != null
    const asked = hasData ? undefined : WITHOUT_DATA[code]
    if (asked === undefined) continue
    status = Math.max(status, asked)
    const { retryAfterSeconds } = extensions
    if (typeof retryAfterSeconds === 'number') headers['retry-after'] = String(retryAfterSeconds)
  }
  return { status, headers }
}
