import { AsyncResource } from 'node:async_hooks'
import type pg from 'pg'

/** Follows statements; how, this layer does not know. */
export interface StatementTracer {
  /**
   * A statement is sent, by whoever this runs for.
   * @param name under which it is prepared; undefined: it is not
   * @returns to be called when it is answered, with what it failed with; undefined: nobody follows it
   */
  begin(text: string, name: string | undefined): ((error?: unknown) => void) | undefined
}

/**
 * Has every statement of a pool followed, Prisma's and ours: both send them by its clients. Callers that waited for a connection are
 * called back by whoever gave it back; their statements are theirs all the same.
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

/** pg answers by a callback where it is given one, which comes last, else by a promise. */
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
