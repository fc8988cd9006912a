import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { z } from 'zod'
import type { CheckpointKey } from '../crawl/checkpoint/model.ts'
import { exportStates } from '../crawl/import/export-store.ts'
import type { ImportCheckpointInput } from '../crawl/import/input.ts'
import { importCheckpoints } from '../crawl/import/service.ts'
import { createDatabaseClock } from '../database/clock.ts'
import { type Database, openDatabase } from '../database/database.ts'
import { migrate } from '../database/migrations/migrate.ts'
import { requireMigrated } from '../database/migrations/require-migrated.ts'
import { InvalidInputError } from '../errors/domain-error.ts'
import { StartupError } from '../errors/startup-error.ts'
import { localOperator } from '../identity/principal.ts'

/** So many lists are read, or written, at once. */
const LISTS_AT_ONCE = 1_000
/** The refusals that are printed. There may be as many as lists. */
const MOST_REFUSALS_PRINTED = 100

interface Transfer {
  readonly databaseUrl: string
  /** Whether to migrate first. */
  readonly mayMigrate: boolean
  /** One list a line, as JSON. */
  readonly path: string
  readonly print: (text: string) => void
}

/**
 * Writes the state of every list to a file, one a line: an ImportCheckpointInput as JSON. Lists that are saved
 * meanwhile are in it as they were before or after.
 * @returns the exit code, 0
 * @throws StartupError if the database is not ready, or the file cannot be written
 */
export async function runExport({ path, print, ...options }: Transfer): Promise<number> {
  return withDatabase(options, async (database) => {
    const file = await open(path, 'w').catch((cause: unknown) => {
      throw new StartupError(`Cannot write ${path}: name a file in a folder that this user may write to.`, { cause })
    })
    let lists = 0
    try {
      for (let after: CheckpointKey | undefined, more = true; more;) {
        const states = await exportStates(database, after, LISTS_AT_ONCE)
        await file.write(states.map((state) => `${JSON.stringify(state)}\n`).join(''))
        lists += states.length
        after = states.at(-1)
        more = states.length === LISTS_AT_ONCE
      }
      await file.sync()
    } finally {
      await file.close()
    }
    print(`exported ${lists} lists to ${path}`)
    return 0
  })
}

/**
 * Writes the lists of a file that `export` wrote, over what is there. It names each that is refused, with its line, and
 * writes the others. It may be repeated: a state that is there already makes no version.
 * @returns the exit code: 1 if one was refused
 * @throws StartupError if the database is not ready, or the file cannot be read
 */
export async function runImport({ path, print, ...options }: Transfer): Promise<number> {
  return withDatabase(options, async (database) => {
    const clock = createDatabaseClock(database)
    await clock.measure()
    const total = { created: 0, overwritten: 0, refused: 0 }
    const refuse = (line: number, why: string) => {
      total.refused += 1
      if (total.refused <= MOST_REFUSALS_PRINTED) print(`line ${line} was refused: ${why}`)
      if (total.refused === MOST_REFUSALS_PRINTED) print('further refusals are not printed')
    }
    for await (const lines of linesOf(path, LISTS_AT_ONCE)) {
      const states: { readonly line: number; readonly state: ImportCheckpointInput }[] = []
      for (const { line, text } of lines) {
        const state = readState(text)
        if (typeof state === 'string') refuse(line, state)
        else states.push({ line, state })
      }
      const results = await importCheckpoints(
        database,
        clock,
        localOperator,
        states.map(({ state }) => state),
      )
      for (const [place, result] of results.entries()) {
        if ('checkpoint' in result) total[result.created ? 'created' : 'overwritten'] += 1
        else refuse(states[place]?.line ?? 0, describe(result))
      }
    }
    print(`imported ${total.created} new lists, and ${total.overwritten} over those that were there`)
    if (total.refused > 0) print(`${total.refused} lists were refused; mend them, and import the file again`)
    return total.refused > 0 ? 1 : 0
  })
}

const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text))
/** The types only: importCheckpoints judges the values. */
const stateSchema = z.strictObject({
  userId: z.string(),
  stream: z.string(),
  lastItemId: z.string(),
  bookmarksCount: z.int32(),
  lastCrawledAt: time,
  createdAt: time.nullish(),
  lastCompletedAt: time.nullish(),
  pageToken: z.string().nullish(),
  headItemIds: z.array(z.string()),
  anchorItemIds: z.array(z.string()),
  complete: z.boolean(),
  fullPass: z.boolean().nullish(),
  fullPassHasItem: z.boolean().nullish(),
  catchUp: z
    .strictObject({
      lastItemId: z.string().nullish(),
      pageToken: z.string().nullish(),
      headItemIds: z.array(z.string()),
      startedAt: time,
    })
    .nullish(),
  pausedUntil: time.nullish(),
  pauseReason: z.string().nullish(),
  pausedBy: z.string().nullish(),
})

/** @returns a text: why it is none */
function readState(text: string): ImportCheckpointInput | string {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return 'it is not JSON'
  }
  const { success, data, error } = stateSchema.safeParse(json)
  return success ? data : error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim()).join('; ')
}

function describe(error: Error): string {
  if (!(error instanceof InvalidInputError)) return error.message
  return error.issues.map(({ path, message }) => `${path.slice(2).join('.')} ${message}`).join('; ')
}

async function* linesOf(path: string, atOnce: number) {
  let lines: { readonly line: number; readonly text: string }[] = []
  let line = 0
  try {
    for await (const text of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) {
      line += 1
      if (text.trim() !== '') lines.push({ line, text })
      if (lines.length === atOnce) {
        yield lines
        lines = []
      }
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === undefined) throw cause
    throw new StartupError(`Cannot read ${path}: name a file that "export" wrote.`, { cause })
  }
  if (lines.length > 0) yield lines
}

async function withDatabase<Result>(
  { databaseUrl, mayMigrate }: Pick<Transfer, 'databaseUrl' | 'mayMigrate'>,
  use: (database: Database) => Promise<Result>,
): Promise<Result> {
  if (mayMigrate) await migrate({ databaseUrl })
  else await requireMigrated({ databaseUrl })
  const timeouts = { connectTimeoutMs: 5_000, statementTimeoutMs: 30_000 }
  const database = openDatabase({ url: databaseUrl, poolSize: 2, ...timeouts, log: pino({ level: 'silent' }) })
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}
