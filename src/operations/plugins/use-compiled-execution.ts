import type { ExecutionArgs, ExecutionResult, GraphQLSchema } from 'graphql'
import { createCompiledExecution } from '../compiled/compiled-execution.ts'
import { VariableRules } from '../variables/variable-rules.ts'
import type { OperationPlugin, UnderstoodOperation } from './operation-context.ts'

/**
 * Executes queries and mutations. Those that come often run as functions that graphql-jit compiled from them
 * (docs/adr/0014-speed.md). Subscriptions are not compiled.
 * @param schema the schema that all operations are executed against
 */
export function useCompiledExecution(schema: GraphQLSchema): OperationPlugin {
  const execute = createCompiledExecution(schema)
  const rules = new VariableRules(schema)
  function run(args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
    const { document, operationName, variableValues, contextValue } = args
    const refused = rules.refuseLarge(args)
    if (refused) return refused
    const result = execute({
      schema,
      document,
      operationName,
      variableValues,
      contextValue: (contextValue as UnderstoodOperation).api,
    })
    return result instanceof Promise
      ? result.then((settled) => rules.inOurWords(settled, args))
      : rules.inOurWords(result, args)
  }
  return {
    onExecute({ setExecuteFn }) {
      setExecuteFn(run)
    },
  }
}
