import type { ExecutionResult } from 'graphql'
import type { MediaType } from './accept.ts'

interface HttpHints {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Only in answers of application/graphql-response+json: elsewhere a request error is 200, as old clients expect. */
  readonly spec?: boolean
}

/** The HTTP status of an answer, and headers that belong to it, as mask-error.ts noted them: the highest that an error asks for. */
export function statusOf(
  { errors = [] }: ExecutionResult,
  mediaType: MediaType,
): { readonly status: number; readonly headers: Readonly<Record<string, string>> } {
  let status = 200
  const headers: Record<string, string> = {}
  for (const { extensions } of errors) {
    const hints = (extensions['http'] ?? {}) as HttpHints
    Object.assign(headers, hints.headers)
    if (hints.spec === true && mediaType !== 'application/graphql-response+json') continue
    status = Math.max(status, hints.status ?? 200)
  }
  return { status, headers }
}
