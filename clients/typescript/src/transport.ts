import { attempt, type Link, type WireRequest } from './attempt.ts'
import { InvalidInputError, UnavailableError, type WaymarkError } from './errors.ts'
import { sleep } from './sleep.ts'

export interface TransportOptions {
  readonly url?: string | URL | undefined
  readonly key?: string | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
  /** How long one attempt may take, milliseconds. Default: 15,000. */
  readonly timeoutMs?: number | undefined
  readonly retry?: { readonly budgetMs?: number | undefined } | undefined
}

export interface RequestOptions {
  /** Ends the request and its repeats: `request` rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** How long to repeat, milliseconds, in place of the client's. 0: not at all. */
  readonly budgetMs?: number | undefined
}

const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 5_000
/** A try that begins late in the budget still gets some time for its answer. */
const SHORTEST_TIMEOUT_MS = 1_000

/** Sends documents to one server, and repeats them where that helps and is safe. */
export class Transport {
  readonly link: Link
  /** How long to repeat, milliseconds. */
  readonly budgetMs: number

  constructor({
    url = environment('WAYMARK_URL') ?? 'http://127.0.0.1:4000/graphql',
    key,
    ...options
  }: TransportOptions) {
    const secret = key ?? environment('WAYMARK_KEY') ?? ''
    const isFit = /^[\x21-\x7e]*$/.test(secret)
    // fetch would repeat a wrong header, and a URL's user and password, in its own message.
    if (!isFit) throw invalid('The key has characters that a header cannot have, e.g. a line break. Remove them.')
    this.link = {
      url: checkedUrl(url),
      headers: secret === '' ? {} : { authorization: `Bearer ${secret}` },
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      timeoutMs: options.timeoutMs ?? 15_000,
      redact: secret === '' ? (text) => text : (text) => text.replaceAll(secret, '<key>'),
    }
    this.budgetMs = options.retry?.budgetMs ?? 60_000
  }

  /**
   * @param text a document with one operation
   * @returns the answer's data
   * @throws {UnavailableError} where no answer came within the budget
   * @throws {WaymarkError} where the answer holds an error
   */
  async send(
    text: string,
    variables: object | undefined,
    { signal, budgetMs = this.budgetMs }: RequestOptions = {},
  ): Promise<unknown> {
    const request: WireRequest = { text, variables, isMutation: isMutation(text) }
    const startedAt = performance.now()
    const mayRepeat = !addsWithoutKey(text, variables)
    let mayHaveWritten = false
    for (let count = 1; ; count += 1) {
      const leftMs = budgetMs - (performance.now() - startedAt)
      const timeoutMs = Math.min(this.link.timeoutMs, Math.max(leftMs, SHORTEST_TIMEOUT_MS))
      const result = await attempt(
        { ...this.link, timeoutMs: budgetMs > 0 ? timeoutMs : this.link.timeoutMs },
        request,
        signal,
      )
      if (result.error === undefined) return result.data
      const { error } = result
      if (error instanceof UnavailableError) mayHaveWritten ||= error.mayHaveWritten
      if (!result.isRetriable) throw error
      const delayMs = Math.max(result.retryAfterMs, jittered(count))
      if (!mayRepeat || performance.now() - startedAt + delayMs >= budgetMs)
        throw lastError(error, count, mayHaveWritten)
      await sleep(delayMs, signal)
      signal?.throwIfAborted()
    }
  }
}

/** @returns the same error, of all attempts */
function lastError(error: WaymarkError, count: number, mayHaveWritten: boolean): WaymarkError {
  const { code, requestId, cause } = error
  const message = count === 1 ? error.message : `${error.message} It was tried ${count} times.`
  return new UnavailableError(message, { code, requestId, cause, mayHaveWritten })
}

/** Half of it is random, so that many clients do not come back at once. @param count of the attempt before, from 1 */
export function jittered(count: number): number {
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (count - 1), LONGEST_DELAY_MS)
  return delayMs / 2 + (Math.random() * delayMs) / 2
}

function isMutation(text: string): boolean {
  return /(?:^|[}\s,])mutation\b/.test(text)
}

/** Whether a repeat could count twice: the only request that is never repeated. */
function addsWithoutKey(text: string, variables: unknown): boolean {
  if (!isMutation(text)) return false
  const isWrittenOut = /\bbookmarksAdded\s*:/.test(text) && !/\bidempotencyKey\s*:/.test(text)
  return isWrittenOut || holdsAddition(variables)
}

function holdsAddition(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { bookmarksAdded, idempotencyKey } = value as Record<string, unknown>
  if (bookmarksAdded != null && idempotencyKey == null) return true
  return Object.values(value).some(holdsAddition)
}

function checkedUrl(url: string | URL): string {
  let parsed: URL
  try {
    // A page may name its own server: /graphql.
    parsed = new URL(url, (globalThis as { location?: { href: string } }).location?.href)
  } catch {
    throw invalid('The URL of Waymark is no URL. It looks like http://127.0.0.1:4000/graphql.')
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid('The URL of Waymark holds a user or a password. Send the key as `key` or WAYMARK_KEY.')
  }
  return parsed.href
}

function invalid(message: string): InvalidInputError {
  return new InvalidInputError(message, { code: 'INVALID_INPUT' })
}

/** A browser has no environment, and Deno may refuse it. */
function environment(name: string): string | undefined {
  try {
    const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
    return process?.env?.[name] || undefined
  } catch {
    return undefined
  }
}
