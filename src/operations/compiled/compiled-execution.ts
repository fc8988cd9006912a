import {
  type DocumentNode,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getNamedType,
  getOperationAST,
  GraphQLError,
  type GraphQLInputObjectType,
  type GraphQLSchema,
  isInputObjectType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql'
import { compileQuery, isCompiledQuery } from 'graphql-jit'
import { isCompilable } from './compilable.ts'
import { IndexedSource } from '../../graphql/indexed-source.ts'
import { findVariableErrors, isRefused } from '../variables/variable-errors.ts'

export type Execute = (args: ExecutionArgs) => ExecutionResult | Promise<ExecutionResult>

/**
 * The runs before an operation is compiled. Compiling takes as long as some dozen runs, which a document that comes
 * only once or twice never reaches.
 */
export const RUNS_BEFORE = 3

/** How often an operation ran, and the function that runs it. */
interface Known {
  runs: number
  run: Execute
}

/**
 * Runs an operation by graphql-js' execute at first, and later by a function that graphql-jit compiles from it, if that
 * is known to give the same answer (compilable.ts). The function calls the same resolvers, but does not look up again
 * what the document and the schema say. It is kept as long as its document.
 *
 * @param schema must have no input type that contains itself: graphql-jit would not end
 * @param options.runsBefore runs of an operation before it is compiled
 * @returns a function for valid documents that parseTokens parsed, with an operation name if there are several. Like
 * execute it returns a promise only if a resolver did, and does not throw resolvers' errors.
 * @throws Error for a schema that graphql-jit cannot handle
 */
export function createCompiledExecution(schema: GraphQLSchema, options = { runsBefore: RUNS_BEFORE }): Execute {
  refuseRecursiveInputs(schema)
  refuseEqualNames(schema)
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

/** @returns execute itself if the operation cannot be compiled */
function compile(schema: GraphQLSchema, { document, operationName }: ExecutionArgs): Execute {
  const operation = getOperationAST(document, operationName)
  if (!operation || !isCompilable(document, operation)) return execute
  const compiled = compileQuery(schema, document, operationName ?? undefined)
  if (!isCompiledQuery(compiled)) return execute
  const { query } = compiled
  const isJudged = mustBeJudged(schema, operation)
  return (args) => {
    const { rootValue, contextValue, variableValues } = args
    if (isJudged && findVariableErrors(schema, operation, variableValues).length > 0) return execute(args)
    const result = query(rootValue, contextValue, variableValues)
    return result instanceof Promise
      ? result.then((settled) => finish(settled, operation, args))
      : finish(result, operation, args)
  }
}

/**
 * graphql-jit accepts [] as an input object, and reports each wrong item of a list, however many there are. So such
 * variables are checked first.
 */
function mustBeJudged(schema: GraphQLSchema, { variableDefinitions = [] }: OperationDefinitionNode): boolean {
  return variableDefinitions.some(({ type }) => {
    const required = type.kind === Kind.NON_NULL_TYPE ? type.type : type
    return required.kind === Kind.LIST_TYPE || isInputObjectType(schema.getType(required.name.value))
  })
}

function finish(
  result: ExecutionResult,
  { operation }: OperationDefinitionNode,
  args: ExecutionArgs,
): ExecutionResult | Promise<ExecutionResult> {
  const { data, errors } = result
  if (errors === undefined) return result
  // The variables are wrong, so nothing has run. graphql-js has its own messages, or accepts them.
  if (isRefused(result)) return execute(args)
  // graphql-jit differs for several errors: it puts those last that made more than their own field null, and has more
  // of them. It also leaves a failed item out of its list.
  const isAnotherAnswer = errors.length > 1 || errors.some(({ path }) => typeof path?.at(-1) === 'number')
  if (isAnotherAnswer && operation === OperationTypeNode.QUERY) return execute(args)
  const { source } = args.document.loc ?? {}
  // In the order of graphql-js, which is the order in the JSON text.
  return { errors: errors.map((error) => withPositions(error, source)), data }
}

/**
 * graphql-jit's errors have locations but no positions, and a GraphQLError made from another one loses its locations.
 */
function withPositions(error: GraphQLError, source: unknown): GraphQLError {
  const { message, locations, path, originalError, extensions } = error
  if (!(source instanceof IndexedSource)) return error
  const positions = locations?.map((location) => source.offsetOf(location))
  return new GraphQLError(message, { source, positions, path, originalError, extensions })
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

/** graphql-jit identifies a resolver by the concatenated names of its type and field. */
function refuseEqualNames(schema: GraphQLSchema): void {
  const known = new Map<string, string>()
  for (const type of Object.values(schema.getTypeMap()).filter(isObjectType)) {
    for (const { name } of Object.values(type.getFields())) {
      const field = `${type.name}.${name}`
      const other = known.get(type.name + name)
      if (other !== undefined) throw new Error(`${field} and ${other} have the same resolver for graphql-jit`)
      known.set(type.name + name, field)
    }
  }
}
