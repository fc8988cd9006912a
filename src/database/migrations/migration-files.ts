import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { packageRoot } from '../../package-root.ts'

export interface Migration {
  /** The folder's name, e.g. 001_original_tables. */
  readonly name: string
  /** Statements that run before `sql`, one by one and outside a transaction. Each can be repeated; none is recorded. */
  readonly before: readonly string[]
  /** Runs in one transaction. */
  readonly sql: string
  /** Statements that run after `sql`, one by one and outside a transaction. Each can be repeated. */
  readonly steps: readonly string[]
  /**
   * The hash of `sql` and `steps` with \n line ends, in hex: a checkout that turns them into \r\n counts as unchanged.
   */
  readonly sha256: string
}

/** A row of crawler.schema_migration. */
export interface RecordedMigration {
  readonly name: string
  readonly sha256: string
  /** How many of its steps are done. */
  readonly steps_done: number
}

/**
 * prisma/migrations of this package. This folder and its compiled copy in dist/ are both three levels below the root.
 */
export const packagedMigrations = join(packageRoot, 'prisma/migrations')

/**
 * Reads every NNN_name/migration.sql of the directory, and its before.sql and steps.sql if there are, in the order of
 * their numbers. Files beside the folders are ignored.
 * @throws StartupError for a folder with another name or without a migration, and for a number that is missing or used
 *   twice
 */
export async function readMigrations(directory: string = packagedMigrations): Promise<readonly Migration[]> {
  const names = await folderNames(directory)
  return Promise.all(
    names.map(async (name, index) => {
      const number = /^(\d{3})_[a-z0-9_]+$/.exec(name)?.[1]
      if (Number(number) !== index + 1) {
        throw new StartupError(
          `${join(directory, name)}: expected a folder named ${String(index + 1).padStart(3, '0')}_name here; migrations are numbered 001, 002, ... without a gap.`,
        )
      }
      const sql = await readSql(join(directory, name, 'migration.sql'))
      const steps = await readSteps(join(directory, name, 'steps.sql'))
      const before = await readSteps(join(directory, name, 'before.sql'))
      const hash = createHash('sha256').update(sql)
      if (steps !== undefined) hash.update('\0').update(steps)
      return { name, before: splitSteps(before ?? ''), sql, steps: splitSteps(steps ?? ''), sha256: hash.digest('hex') }
    }),
  )
}

async function folderNames(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort()
  } catch (cause) {
    throw new StartupError(`Cannot read the migrations in ${directory}: copy prisma/migrations there.`, { cause })
  }
}

/**
 * Reads a file of SQL, with \n line ends.
 * @throws StartupError if it cannot be read
 */
export async function readSql(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replaceAll('\r\n', '\n')
  } catch (cause) {
    throw new StartupError(`Cannot read ${path}: restore it from the release.`, { cause })
  }
}

/** undefined: the migration has no steps. */
async function readSteps(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).replaceAll('\r\n', '\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new StartupError(`Cannot read ${path}: restore it from the release.`, { cause: error })
  }
}

/**
 * Each statement ends with a semicolon at the end of a line. So a step may have no body in $$, which contains such
 * semicolons.
 */
function splitSteps(text: string): string[] {
  return text
    .split(/;[ \t]*$/m)
    .map((step) => step.replaceAll(/^--.*\n?/gm, '').trim())
    .filter((step) => step !== '')
}
