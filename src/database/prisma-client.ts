import { PrismaPg } from '@prisma/adapter-pg'
import type pg from 'pg'
import { faultOf } from './errors.ts'
import { PrismaClient } from './generated/client.ts'
import { createSharedFinds, type Find } from './shared-finds.ts'
import type { ReadTracer } from '../concurrency/shared-reads.ts'
import { tellTimes } from './told-times.ts'

export type Prisma = ReturnType<typeof gatePrisma>

/** Prisma's client over a pool. It reads times as toTime does. */
export function createPrismaClient(pool: pg.Pool): PrismaClient {
  return new PrismaClient({ adapter: new TellingPg(pool, { disposeExternalPool: false }) })
}

/**
 * A client for the statements of callers. Its errors are faults where a caller may see them. Reads by key (findUnique)
 * at the same time share one statement, whoever asks.
 * @param enter runs a statement once the gate has room for it
 */
export function gatePrisma(
  client: PrismaClient,
  enter: <Result>(work: () => Promise<Result>) => Promise<Result>,
  readTracer: ReadTracer | undefined,
) {
  async function guarded(run: () => Promise<unknown>): Promise<unknown> {
    try {
      return await enter(run)
    } catch (error) {
      throw faultOf(error)
    }
  }

  const finds = createSharedFinds((model, args) => guarded(() => delegateOf(client, model).findMany(args)), readTracer)
  return client.$extends({
    query: {
      $allOperations: ({ model, operation, args, query }: AnyOperation) =>
        model !== undefined && operation === 'findUnique' ? finds.load({ model, args }) : guarded(() => query(args)),
    },
  })
}

class TellingPg extends PrismaPg {
  override async connect() {
    const adapter = await super.connect()
    tellTimes(adapter)
    return adapter
  }
}

interface AnyOperation {
  readonly model?: string
  readonly operation: string
  readonly args: Find['args']
  readonly query: (args: Find['args']) => Promise<unknown>
}

interface Delegate {
  findMany(args: object): Promise<unknown>
}

function delegateOf(client: PrismaClient, model: string): Delegate {
  const name = `${model.charAt(0).toLowerCase()}${model.slice(1)}`
  return (client as unknown as Record<string, Delegate>)[name] as Delegate
}
