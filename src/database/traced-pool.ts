import { AsyncResource } from 'node:async_hooks'
import type pg from 'pg'

/** Traces statements. This layer does not know how. */
export interface StatementTracer {
  /**
   * Called when the running operation sends a statement.
   * @param name the name under which it is prepared; undefined: it is not prepared
   * @returns a function to call when the statement is answered, with its error if it failed; undefined: it is not
   *   traced
   */
  begin(text: string, name: string | undefined): ((error?: unknown) => void) | undefined
}

/**
 * Traces every statement of a pool, Prisma's and Waymark's own: both use its clients. A caller that waits for a
 * connection is called back in the context of the caller that returned it. Binding the callback keeps its own context,
 * so that its statements count as its own.
 */
export function traceStatements(pool: pg.Pool, tracer: StatementTracer): void {
  const connect = pool.connect.bind(pool) as (...args: unknown[]) => unknown
  pool.connect = ((...args: unknown[]) => connect(...args.map(bound))) as typeof pool.connect
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    client.query = ((...args: unknown[]) => followed(query, args, tracer)) as typeof client.query
  })
}

function bound(argument: unknown): unknown {
  return isCallback(argument) ? AsyncResource.bind(argument) : argument
}

/** If the last argument is a callback, pg calls it. Otherwise pg returns a promise. */
function followed(query: (...args: unknown[]) => unknown, args: unknown[], tracer: StatementTracer): unknown {
  const end = tracer.begin(...describe(args[0]))
  if (!end) return query(...args)
  const callback = args.at(-1)
  if (isCallback(callback)) {
    const answer = (error: unknown, result: unknown) => {
      end(error)
      callback(error, result)
    }
    return query(...args.slice(0, -1), answer)
  }
  const answered = query(...args)
  if (answered instanceof Promise) {
    answered.then(() => {
      end()
    }, end)
  } else end()
  return answered
}

function describe(statement: unknown): [text: string, name: string | undefined] {
  if (typeof statement === 'string') return [statement, undefined]
  const { text, name } = (statement ?? {}) as { text?: unknown; name?: unknown }
  return [typeof text === 'string' ? text : '', typeof name === 'string' ? name : undefined]
}

function isCallback(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === 'function'
}
