import { createSharedReads, type Reads, type ReadTracer } from '../concurrency/shared-reads.ts'

/** A findUnique of Prisma. */
export interface Find {
  readonly model: string
  readonly args: FindArguments
}

interface FindArguments {
  readonly where: Readonly<Record<string, unknown>>
  readonly select?: object | null
}

type Row = Readonly<Record<string, unknown>>

/** The fields of each model's key. Prisma names a key of several fields by joining their names with "_". */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  User: ['userId'],
  Checkpoint: ['userId', 'stream'],
  CheckpointRevision: ['userId', 'stream', 'version'],
  CrawlSession: ['sessionId'],
  ItemList: ['listId'],
  StreamSetting: ['stream'],
}

/**
 * Answers findUnique with findMany: reads of one model with the same arguments at the same time are one statement,
 * whoever asks. Prisma itself merges only the reads of one request in one tick. See createSharedReads.
 * Callers with different reach have different conditions beside the key, so they never share a statement.
 */
export function createSharedFinds(
  findMany: (model: string, args: object) => Promise<unknown>,
  tracer: ReadTracer | undefined,
): Reads<Find, Row | null> {
  return createSharedReads<Find, Row | null>(
    async (finds) => {
      const keyed = finds.map(({ model, args }) => {
        const { key, rest } = splitKey(model, args)
        return { model, args, rest, key, text: textOf(key), like: textOf([model, { ...args, where: rest }]) }
      })
      const found = new Map(
        await Promise.all(
          [...new Set(keyed.map(({ like }) => like))].map(async (like) => {
            const alike = keyed.filter((find) => find.like === like)
            const [first] = alike
            if (!first) throw new Error('a set of finds was empty')
            const rows = (await findMany(first.model, argumentsFor(first, alike))) as Row[]
            const fields = keyOf(first.model)
            return [like, new Map(rows.map((row) => [textOf(fields.map((field) => row[field])), row]))] as const
          }),
        ),
      )
      return keyed.map(({ like, text }) => found.get(like)?.get(text) ?? null)
    },
    ({ model, args }) => textOf([model, args]),
    tracer,
  )
}

function keyOf(model: string): readonly string[] {
  const fields = KEYS[model]
  if (!fields) throw new Error(`${model} has no key in shared-finds.ts: add it`)
  return fields
}

/** Splits a condition into the key and the rest, which is the caller's reach. */
function splitKey(model: string, { where }: FindArguments): { key: readonly unknown[]; rest: Row } {
  const fields = keyOf(model)
  const name = fields.join('_')
  const { [name]: named, ...rest } = where
  if (fields.length === 1) return { key: [named], rest }
  const compound = (named ?? {}) as Row
  return { key: fields.map((field) => compound[field]), rest }
}

function argumentsFor(
  { model, args, rest }: { readonly model: string; readonly args: FindArguments; readonly rest: Row },
  alike: readonly { readonly key: readonly unknown[] }[],
): object {
  const fields = keyOf(model)
  const [only] = fields
  const isOneOf =
    fields.length === 1 && only !== undefined
      ? { [only]: { in: alike.map(({ key }) => key[0]) } }
      : { OR: alike.map(({ key }) => Object.fromEntries(fields.map((field, place) => [field, key[place]]))) }
  // The key tells the rows apart, so it is always selected.
  const select = args.select ? { select: { ...args.select, ...Object.fromEntries(fields.map((f) => [f, true])) } } : {}
  return { ...args, ...select, where: { AND: [rest, isOneOf] } }
}

/** The same text for the same query, because planned queries have their properties in one order. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part))
}
