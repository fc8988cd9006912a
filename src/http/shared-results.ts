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
import { MappedStream } from './mapped-stream.ts'

/** A result is told to others for so long: what it read of the database is as old as that at the most. */
const SHARED_FOR_MS = 250

interface Shared {
  readonly sinceMs: number
  readonly result: Promise<ExecutionResult>
}

export type SharedSubscribe = (args: ExecutionArgs) => Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>

/**
 * graphql-js' subscribe, but for subscribers that select the same of the same event: the first one's result serves the others. A
 * dashboard is one document in a thousand browsers, and executing it, with what it reads, is most of what an event costs.
 * The source must hand the same object to every subscriber whom it tells of an event. A result with errors is nobody else's: it
 * names a request.
 * @param reachOf names what the operation's caller may see: results are shared between equal ones only
 */
export function createSharedSubscribe(reachOf: (contextValue: unknown) => string): SharedSubscribe {
  const sharedByEvent = new WeakMap<object, Map<string, Shared>>()
  const documents = new DocumentNumbers()

  function resultOf(args: ExecutionArgs, key: string, event: unknown): Promise<ExecutionResult> {
    const run = async () => execute({ ...args, rootValue: event })
    if (typeof event !== 'object' || event === null) return run()
    let shared = sharedByEvent.get(event)
    if (!shared) sharedByEvent.set(event, (shared = new Map<string, Shared>()))
    const known = shared.get(key)
    const nowMs = performance.now()
    if (known && nowMs - known.sinceMs < SHARED_FOR_MS) {
      return known.result.then((result) => (result.errors ? run() : result))
    }
    const result = run()
    shared.set(key, { sinceMs: nowMs, result })
    return result
  }

  return async (args) => {
    const source = await createSourceEventStream(args)
    if (!isAsyncIterable(source)) return source
    const { document, operationName, variableValues, contextValue } = args
    const variables = namesOfUsed(document, operationName).map((name) => variableValues?.[name])
    const key = JSON.stringify([documents.numberOf(document), operationName, variables, reachOf(contextValue)])
    return new MappedStream(source, (event) => resultOf(args, key, event))
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
