import {
  type DocumentNode,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  type GraphQLInputObjectType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type Source,
  type SourceLocation,
} from 'graphql'
import { compileQuery, isCompiledQuery } from 'graphql-jit'
import { fragmentsOf } from './limits/fragments.ts'
import { isRefused } from './variable-errors.ts'

export type Execute = (args: ExecutionArgs) => ExecutionResult | Promise<ExecutionResult>

/** Compiling takes as long as some dozen runs, and a document that comes once or twice never runs as often. */
const runsBefore = 3

/**
 * What is compiled at most: fields and fragments, with what is in these counted wherever they are spread, and variables. Each field is
 * about 1.6 KB and 80 us of compiling, and fragments of fragments can make millions of 2,000 tokens.
 */
const mostSelections = 100
const mostVariables = 10

/** How often an operation ran, and then what it was compiled to. */
interface Known {
  runs: number
  run: Execute
}

/**
 * graphql-js' execute for the first runs of a document's operation; from then on a function that graphql-jit made of it, which
 * calls the same resolvers and doesn't look up again what document and schema say (docs/adr/0014-speed.md). The results are the same,
 * errors with their places too. What was compiled is kept as long as its document is. Documents must be valid, and name an
 * operation of theirs if they have several.
 *
 * @param options.runsBefore runs of an operation before it is compiled
 * @returns as execute does: a promise only where a resolver returned one; never throws what a resolver throws
 * @throws Error for a schema with an input type that contains itself: graphql-jit, which writes out types in full, would not come to an end
 */
export function createCompiledExecution(schema: GraphQLSchema, options = { runsBefore }): Execute {
  refuseRecursiveInputs(schema)
  const documents = new WeakMap<DocumentNode, Map<string, Known>>()

  function knownOf({ document, operationName }: ExecutionArgs): Known {
    let operations = documents.get(document)
    if (operations === undefined) documents.set(document, (operations = new Map<string, Known>()))
    let known = operations.get(operationName ?? '')
    if (known === undefined) operations.set(operationName ?? '', (known = { runs: 0, run: execute }))
    return known
  }

  return (args) => {
    const known = knownOf(args)
    if (known.runs === options.runsBefore) known.run = compile(schema, args)
    known.runs += 1
    return known.run(args)
  }
}

/** @returns execute itself, where it can't be compiled */
function compile(schema: GraphQLSchema, { document, operationName }: ExecutionArgs): Execute {
  const operation = getOperationAST(document, operationName)
  if (!operation || !isSmall(document, operation)) return execute
  const compiled = compileQuery(schema, document, operationName ?? undefined, {
    // Without it a field below a skipped fragment is skipped wherever else it is asked for.
    useExperimentalPathBasedSkipInclude: true,
  })
  if (!isCompiledQuery(compiled)) return execute
  const { query } = compiled
  const defaulted = namesOfDefaulted(operation)
  return (args) => {
    const { rootValue, contextValue, variableValues } = args
    // Null where the default made it valid is refused field by field, and only graphql-js says whose mistake that is.
    if (defaulted.some((name) => variableValues?.[name] === null)) return execute(args)
    const result = query(rootValue, contextValue, variableValues)
    return result instanceof Promise ? result.then((settled) => finish(settled, args)) : finish(result, args)
  }
}

function finish(result: ExecutionResult, args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
  const { errors } = result
  if (errors === undefined) return result
  // Its variables, so nothing has run. graphql-js says it in its words, or knows better.
  if (isRefused(result)) return execute(args)
  const { source } = args.document.loc ?? {}
  return { ...result, errors: errors.map((error) => withPositions(error, source)) }
}

/** graphql-jit's errors have locations, of which a GraphQLError that is made of another one keeps nothing. */
function withPositions(error: GraphQLError, source: Source | undefined): GraphQLError {
  const { message, locations, path, originalError, extensions } = error
  const positions = source && locations?.map((location) => offsetOf(source, location))
  return new GraphQLError(message, { source, positions, path, originalError, extensions })
}

/** The inverse of graphql-js' getLocation. */
function offsetOf({ body }: Source, { line, column }: SourceLocation): number {
  const breaks = [...body.matchAll(/\r\n|[\n\r]/g)]
  const before = breaks[line - 2]
  return (before === undefined ? 0 : before.index + before[0].length) + column - 1
}

/** Variables that may be null and have a default. */
function namesOfDefaulted({ variableDefinitions = [] }: OperationDefinitionNode): readonly string[] {
  return variableDefinitions
    .filter(({ type, defaultValue }) => defaultValue !== undefined && type.kind !== Kind.NON_NULL_TYPE)
    .map(({ variable }) => variable.name.value)
}

function isSmall(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  const fragments = fragmentsOf(document)
  let selections = 0
  const count = (set: SelectionSetNode): void => {
    for (const node of set.selections) {
      selections += 1
      const below = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node
      if (below?.selectionSet && selections <= mostSelections) count(below.selectionSet)
    }
  }
  count(operation.selectionSet)
  return selections <= mostSelections && (operation.variableDefinitions ?? []).length <= mostVariables
}

function refuseRecursiveInputs(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap()).filter(isInputObjectType)) {
    const below = new Set<GraphQLInputObjectType>()
    const visit = (parent: GraphQLInputObjectType): void => {
      for (const child of Object.values(parent.getFields()).map((field) => getNamedType(field.type)))
        if (isInputObjectType(child) && !below.has(child)) {
          below.add(child)
          visit(child)
        }
    }
    visit(type)
    if (below.has(type)) throw new Error(`the input type ${type.name} contains itself`)
  }
}
