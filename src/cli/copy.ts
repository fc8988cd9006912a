import { parseArgs } from 'node:util'
import { toPostgresUrl } from '../database/connection/database-url.ts'
import { copyDatabase, type CopyOptions } from '../database/copy/copy.ts'
import { StartupError } from '../errors/startup-error.ts'

/** Reads the arguments after `copy`. @returns the URL of the target. @throws StartupError if they are wrong */
export function readCopyArguments(args: readonly string[]): string {
  try {
    const { values } = parseArgs({ args: [...args], options: { to: { type: 'string' } } })
    if (values.to) return toPostgresUrl(values.to, '--to')
  } catch (error) {
    if (error instanceof StartupError) throw error
  }
  throw new StartupError('send copy --to <URL>: the postgresql:// URL of an empty database.')
}

/** Runs `copy`. @returns the exit code. @throws StartupError as copyDatabase does */
export async function runCopy(options: CopyOptions): Promise<number> {
  const rows = await copyDatabase(options)
  options.print(
    `copied: ${rows} rows, and counts and checksums are equal. Point DATABASE_URL at the new database and start the servers there. ` +
      'The feeds begin anew: clients of the old ones get CURSOR_EXPIRED and have to list again.',
  )
  return 0
}
