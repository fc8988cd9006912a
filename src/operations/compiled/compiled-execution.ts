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

/** Compiling takes as long as some dozen runs, and a document that comes once or twice never runs as often. */
export const RUNS_BEFORE = 3

/** How often an operation ran, and then what it was compiled to. */
interface Known {
  runs: number
  run: Execute
}

/**
 * graphql-js' execute for the first runs of a document's operation. From then on a function that graphql-jit made of
 * it, where that is known to give the same answer (compilable.ts): it calls the same resolvers, and need not look up
 * again what document and schema say. What was compiled is kept as long as its document is.
 *
 * @param schema no input type of it contains itself, which graphql-jit would write out for ever
 * @param options.runsBefore runs of an operation before it is compiled
 * @returns takes valid documents that were parsed by parseTokens, and the name of an operation where there are
 * several. Like execute it returns a promise only where a resolver did, and throws nothing that a resolver throws.
 * @throws Error for a schema that graphql-jit cannot take
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

/** @returns execute itself, where it can't be compiled */
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
 * graphql-jit takes [] for an input object, and makes an error of each wrong item of a list, however many there are.
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
  // Its variables, so nothing has run. graphql-js says it in its words, or knows better.
  if (isRefused(result)) return execute(args)
  // Of several errors graphql-jit tells those last, and more of them, that made null of more than their own field; and
  // the place of an item of a list that failed is left out of the list.
  const isAnotherAnswer = errors.length > 1 || errors.some(({ path }) => typeof path?.at(-1) === 'number')
  if (isAnotherAnswer && operation === OperationTypeNode.QUERY) return execute(args)
  const { source } = args.document.loc ?? {}
  // In graphql-js' order, which is that of the answer's text.
  return { errors: errors.map((error) => withPositions(error, source)), data }
}

/** graphql-jit's errors have locations, of which a GraphQLError that is made of another one keeps nothing. */
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

/** graphql-jit knows a resolver by the names of its type and field, one behind the other. */
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
