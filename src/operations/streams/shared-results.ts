import {
  type ASTNode,
  createSourceEventStream,
  type DocumentNode,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  Kind,
  visit,
} from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { noteCursor } from './event-cursor.ts'
import type { EventPace } from './event-pace.ts'
import type { EventPayments } from './event-payments.ts'
import { MappedStream, type Reader } from './mapped-stream.ts'

/** How long a result is shared. The data that it read are at most this old. */
const SHARED_FOR_MS = 1_000

/**
 * The most events whose results are kept: after a burst subscribers are at different events, and a result may be long.
 */
const MOST_EVENTS = 64

type Result = ExecutionResult | Promise<ExecutionResult>

/** The caller of a stream, and how many objects an event could return. */
export interface Subscriber {
  readonly subject: string
  readonly objects: number
}

/**
 * @param reach names what the caller may see; only results of equal reaches are shared
 * @param subscriber default: its events cost nothing and are made at once
 */
export type SharedSubscribe = (
  args: ExecutionArgs,
  reach: string,
  subscriber?: Subscriber,
) => Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>

/** The limits on paying for and making events. */
export interface EventLimits {
  readonly pace: EventPace
  /** undefined: events cost nothing. */
  readonly payments: EventPayments | undefined
}

/**
 * Makes graphql-js' subscribe with shared results: subscribers that select the same fields of the same event share one
 * result. A dashboard is one document in a thousand browsers, and executing it with its reads is most of an event's
 * cost.
 *
 * The source must give the same object to every subscriber of an event. A result with errors is not shared, because its
 * errors name a request. A caller pays for the objects of a shared event once, and one point for each further stream.
 * @param limits default: none
 */
export function createSharedSubscribe(limits?: EventLimits): SharedSubscribe {
  const recent = new RecentResults()
  const documents = new DocumentNumbers()

  /** One subscriber's stream. */
  interface Stream {
    readonly args: ExecutionArgs
    readonly key: string
    readonly subscriber: Subscriber | undefined
  }

  function make({ args, subscriber }: Stream, event: unknown, isWanted: () => boolean): Result {
    const note = (result: ExecutionResult) => noteCursor(result, event)
    const run = (): Result => {
      if (!isWanted()) return NOBODY_WAITS
      const result = execute({ ...args, rootValue: event }) as Result
      return result instanceof Promise ? result.then(note) : note(result)
    }
    return limits && subscriber ? limits.pace.run(subscriber.subject, subscriber.objects, run) : run()
  }

  function resultOf(stream: Stream, event: unknown, reader: Reader): Result {
    const isWanted = () => !reader.hasLeft
    if (!isObject(event)) return make(stream, event, isWanted)
    const shared = recent.of(event, stream.key)
    shared.readers?.add(reader)
    if (shared.result === undefined) {
      shared.result = make(stream, event, () => shared.begin())
      return shared.result
    }
    const orAnew = (result: ExecutionResult) => (result.errors ? make(stream, event, isWanted) : result)
    return shared.result instanceof Promise ? shared.result.then(orAnew) : orAnew(shared.result)
  }

  function pay({ key, subscriber }: Stream, event: unknown, reader: Reader): Promise<boolean> | undefined {
    if (!limits?.payments || !subscriber) return undefined
    const { subject, objects } = subscriber
    const points = () => (isObject(event) && recent.find(event, key)?.payers?.has(subject) ? 1 : objects)
    const onPaid = () => {
      if (isObject(event)) (recent.of(event, key).payers ??= new Set()).add(subject)
    }
    return limits.payments.pay(subject, { points, onPaid }, reader)
  }

  return async (args, reach, subscriber) => {
    const source = await createSourceEventStream(args)
    if (!isAsyncIterable(source)) return source
    const { document, operationName, variableValues } = args
    // By name, so that an omitted variable, which has its default, differs from one that is null.
    const used = namesOfUsed(document, operationName).filter((name) => Object.hasOwn(variableValues ?? {}, name))
    const variables = used.map((name) => [name, variableValues?.[name]])
    const key = JSON.stringify([documents.numberOf(document), operationName, variables, reach])
    const stream = { args, key, subscriber }
    return new MappedStream(source, (event, reader) => {
      const paid = pay(stream, event, reader)
      if (!paid) return resultOf(stream, event, reader)
      return paid.then((isPaid) => (isPaid ? resultOf(stream, event, reader) : NOBODY_WAITS))
    })
  }
}

/** The result for an event whose readers have all left. It has an error, so it is not shared with a later reader. */
const NOBODY_WAITS: ExecutionResult = { errors: [new GraphQLError('Nobody waits for this event any more.')] }

function isObject(event: unknown): event is object {
  return typeof event === 'object' && event !== null
}

/** One result, and its readers. */
class SharedResult {
  result: Result | undefined
  /** Callers that have paid for it. */
  payers: Set<string> | undefined
  /** The readers that wait until it is made. */
  readers: Set<Reader> | undefined = new Set()

  /** @returns whether a reader still waits */
  begin(): boolean {
    const readers = this.readers ?? []
    this.readers = undefined
    for (const { hasLeft } of readers) if (!hasLeft) return true
    return false
  }
}

/**
 * Remembers results in two generations, and drops the older one as a whole. So nothing is kept for long, and no timer
 * is needed.
 */
class RecentResults {
  #young = new Map<object, Map<string, SharedResult>>()
  #old = new Map<object, Map<string, SharedResult>>()
  #sinceMs = performance.now()

  find(event: object, key: string): SharedResult | undefined {
    this.#age()
    return this.#young.get(event)?.get(key) ?? this.#old.get(event)?.get(key)
  }

  /** Finds a result or begins a new one. */
  of(event: object, key: string): SharedResult {
    const known = this.find(event, key)
    if (known) return known
    const begun = new SharedResult()
    const results = this.#young.get(event)
    if (results) results.set(key, begun)
    else this.#young.set(event, new Map([[key, begun]]))
    return begun
  }

  #age(): void {
    const ageMs = performance.now() - this.#sinceMs
    if (ageMs < SHARED_FOR_MS / 2 && this.#young.size < MOST_EVENTS / 2) return
    this.#old = ageMs < SHARED_FOR_MS ? this.#young : new Map<object, Map<string, SharedResult>>()
    this.#young = new Map()
    this.#sinceMs = performance.now()
  }
}

/** Numbers documents. They come from a cache, so equal texts are the same object. */
class DocumentNumbers {
  readonly #numbers = new WeakMap<DocumentNode, number>()
  #last = 0

  numberOf(document: DocumentNode): number {
    let number = this.#numbers.get(document)
    if (number === undefined) this.#numbers.set(document, (number = this.#last += 1))
    return number
  }
}

/**
 * The variables that affect the result of an event: all except those used only as arguments of the subscription field.
 * Its argument `after` differs for each subscriber.
 */
function namesOfUsed(document: DocumentNode, operationName: string | null | undefined): string[] {
  const names = new Set<string>()
  const note = (node: ASTNode) => void visit(node, { [Kind.VARIABLE]: ({ name }) => void names.add(name.value) })
  for (const definition of document.definitions) if (definition.kind === Kind.FRAGMENT_DEFINITION) note(definition)
  for (const selection of getOperationAST(document, operationName)?.selectionSet.selections ?? []) {
    note(selection.kind === Kind.FIELD ? { ...selection, arguments: [] } : selection)
  }
  return [...names].sort()
}
