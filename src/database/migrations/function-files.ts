import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { packageRoot } from '../../package-root.ts'
import { readSql } from './migration-files.ts'

/** One function, or one trigger (with one name, on one or more tables). */
export interface FunctionFile {
  /** The file's name without .sql. It is also the name of the function or trigger. */
  readonly name: string
  readonly sql: string
  /** The hash of the text with \n line ends, in hex. */
  readonly sha256: string
}

/** The functions and triggers of this version. */
export interface FunctionSet {
  /** Raised with each release that changes the set. A server refuses a database with a higher number. */
  readonly number: number
  /** Functions first, then the triggers that call them. */
  readonly files: readonly FunctionFile[]
}

/** prisma/functions of this package. */
export const packagedFunctions = join(packageRoot, 'prisma/functions')

/**
 * Reads the set of functions. @throws StartupError if the folder or one of its files cannot be read, or set.json has no
 * number
 */
export async function readFunctions(directory: string = packagedFunctions): Promise<FunctionSet> {
  const files = await Promise.all(
    (await sqlFiles(directory)).map(async (file) => {
      const sql = await readSql(join(directory, file))
      return { name: file.slice(0, -'.sql'.length), sql, sha256: createHash('sha256').update(sql).digest('hex') }
    }),
  )
  const isTrigger = ({ sql }: FunctionFile) => /^CREATE OR REPLACE TRIGGER /m.test(sql)
  const ordered = [...files.filter((file) => !isTrigger(file)), ...files.filter(isTrigger)]
  return { number: await readNumber(join(directory, 'set.json')), files: ordered }
}

/** The digest of all texts. set.json records it, and a test fails if the texts were edited since. */
export function digestOf({ files }: Pick<FunctionSet, 'files'>): string {
  const hash = createHash('sha256')
  for (const { name, sha256 } of files) hash.update(`${name} ${sha256}\n`)
  return hash.digest('hex')
}

async function sqlFiles(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort()
  } catch (cause) {
    throw new StartupError(`Cannot read the functions in ${directory}: copy prisma/functions there.`, { cause })
  }
}

async function readNumber(path: string): Promise<number> {
  const { number } = JSON.parse(await readSql(path)) as { number?: unknown }
  if (typeof number === 'number' && Number.isInteger(number) && number > 0) return number
  throw new StartupError(`${path}: "number" is the number of the set of functions, a whole number from 1 on.`)
}
