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

/** A result is told to others for so long at the most: what it read of the database is as old as that, and then it is forgotten. */
const SHARED_FOR_MS = 1_000

/** Of so many events at once: after a burst subscribers go through its events side by side, and a result may be long. */
const MOST_EVENTS = 64

type Result = ExecutionResult | Promise<ExecutionResult>

/** Whose stream an event is made for, and how many objects the event could return. */
export interface Subscriber {
  readonly subject: string
  readonly objects: number
}

/**
 * @param reach names what the operation's caller may see: results are shared between equal ones only
 * @param subscriber default: its events cost nothing, and are made at once
 */
export type SharedSubscribe = (
  args: ExecutionArgs,
  reach: string,
  subscriber?: Subscriber,
) => Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>

/** When events are paid and made. */
export interface EventLimits {
  readonly pace: EventPace
  /** undefined: nothing costs anything. */
  readonly payments: EventPayments | undefined
}

/**
 * graphql-js' subscribe, but subscribers that select the same of the same event share one result. A dashboard is one
 * document in a thousand browsers, and executing it, with what it reads, is most of what an event costs.
 * The source must hand the same object to every subscriber of an event. A result with errors is not shared, because its
 * errors name a request. A caller pays the objects of a shared event once, and a point for each further stream.
 * @param limits default: none
 */
export function createSharedSubscribe(limits?: EventLimits): SharedSubscribe {
  const recent = new RecentResults()
  const documents = new DocumentNumbers()

  /** One subscriber's stream, as its events need it. */
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
    // By name, so that one left out, which has its default, is not one that is null.
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

/** What is made for readers that have all left. With an error, so that it is not shared with one who comes later. */
const NOBODY_WAITS: ExecutionResult = { errors: [new GraphQLError('Nobody waits for this event any more.')] }

function isObject(event: unknown): event is object {
  return typeof event === 'object' && event !== null
}

/** One result, and who shares it. */
class SharedResult {
  result: Result | undefined
  /** Callers that have paid for it. */
  payers: Set<string> | undefined
  /** Who waits until it is begun. */
  readers: Set<Reader> | undefined = new Set()

  /** @returns whether anybody still waits */
  begin(): boolean {
    const readers = this.readers ?? []
    this.readers = undefined
    for (const { hasLeft } of readers) if (!hasLeft) return true
    return false
  }
}

/** Two shares of the time, the older of which is dropped as a whole: nothing is kept for long, and nothing has a timer. */
class RecentResults {
  #young = new Map<object, Map<string, SharedResult>>()
  #old = new Map<object, Map<string, SharedResult>>()
  #sinceMs = performance.now()

  find(event: object, key: string): SharedResult | undefined {
    this.#age()
    return this.#young.get(event)?.get(key) ?? this.#old.get(event)?.get(key)
  }

  /** Finds it or begins it. */
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

/** Documents come from a cache, so that equal texts are the same object. */
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
 * The variables on which the result depends once the event is there: all but those that are used as arguments of the subscription
 * field alone (`after` is another one for each subscriber).
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
