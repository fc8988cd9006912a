import {
  type ASTNode,
  createSourceEventStream,
  type DocumentNode,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  Kind,
  visit,
} from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { noteCursor } from './event-cursor.ts'
import { MappedStream } from './mapped-stream.ts'

/** A result is told to others for so long at the most: what it read of the database is as old as that, and then it is forgotten. */
const SHARED_FOR_MS = 1_000

/** Of so many events at once: after a burst subscribers go through its events side by side, and a result may be long. */
const MOST_EVENTS = 64

type Result = ExecutionResult | Promise<ExecutionResult>

/** @param reach names what the operation's caller may see: results are shared between equal ones only */
export type SharedSubscribe = (
  args: ExecutionArgs,
  reach: string,
) => Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>

/**
 * graphql-js' subscribe, but for subscribers that select the same of the same event: the first one's result serves the others. A
 * dashboard is one document in a thousand browsers, and executing it, with what it reads, is most of what an event costs.
 * The source must hand the same object to every subscriber whom it tells of an event. A result with errors is nobody else's: it
 * names a request.
 */
export function createSharedSubscribe(): SharedSubscribe {
  const recent = new RecentResults()
  const documents = new DocumentNumbers()

  function resultOf(args: ExecutionArgs, key: string, event: unknown): Result {
    const note = (result: ExecutionResult) => noteCursor(result, event)
    const run = (): Result => {
      const result = execute({ ...args, rootValue: event }) as Result
      return result instanceof Promise ? result.then(note) : note(result)
    }
    if (typeof event !== 'object' || event === null) return run()
    const known = recent.find(event, key)
    if (known !== undefined) {
      const orAnew = (result: ExecutionResult) => (result.errors ? run() : result)
      return known instanceof Promise ? known.then(orAnew) : orAnew(known)
    }
    const result = run()
    recent.add(event, key, result)
    return result
  }

  return async (args, reach) => {
    const source = await createSourceEventStream(args)
    if (!isAsyncIterable(source)) return source
    const { document, operationName, variableValues } = args
    // By name, so that one left out, which has its default, is not one that is null.
    const used = namesOfUsed(document, operationName).filter((name) => Object.hasOwn(variableValues ?? {}, name))
    const variables = used.map((name) => [name, variableValues?.[name]])
    const key = JSON.stringify([documents.numberOf(document), operationName, variables, reach])
    return new MappedStream(source, (event) => resultOf(args, key, event))
  }
}

/** Two shares of the time, the older of which is dropped as a whole: nothing is kept for long, and nothing has a timer. */
class RecentResults {
  #young = new Map<object, Map<string, Result>>()
  #old = new Map<object, Map<string, Result>>()
  #sinceMs = performance.now()

  find(event: object, key: string): Result | undefined {
    this.#age()
    return this.#young.get(event)?.get(key) ?? this.#old.get(event)?.get(key)
  }

  add(event: object, key: string, result: Result): void {
    const results = this.#young.get(event)
    if (results) results.set(key, result)
    else this.#young.set(event, new Map([[key, result]]))
  }

  #age(): void {
    const ageMs = performance.now() - this.#sinceMs
    if (ageMs < SHARED_FOR_MS / 2 && this.#young.size < MOST_EVENTS / 2) return
    this.#old = ageMs < SHARED_FOR_MS ? this.#young : new Map<object, Map<string, Result>>()
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
