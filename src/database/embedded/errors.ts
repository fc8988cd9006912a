import { StartupError } from '../../errors/startup-error.ts'
import type { Identity } from './identity.ts'

/** Whether an error is one of the operating system's, of one of these codes (ENOENT, EEXIST, ...). */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
}

/**
 * One clear line for what the file system refuses in DATA_DIR.
 * @returns a StartupError; anything else is a fault and comes back as it is
 */
export function explainFileError(error: unknown, dataDir: string, identity: Identity | undefined): unknown {
  if (error instanceof StartupError || !isFileError(error)) return error
  const [what, remedy] = explain(error, identity?.user ?? 'the user that runs Waymark')
  return new StartupError(`DATA_DIR ${dataDir} ${what} (${error.message}): ${remedy}.`, { cause: error })
}

function explain(error: Error, user: string): readonly [what: string, remedy: string] {
  const another = 'choose another DATA_DIR'
  if (hasCode(error, 'EEXIST', 'ENOTDIR')) return ['is not a folder', another]
  if (hasCode(error, 'ELOOP')) return ['is a link that leads back to itself', another]
  if (hasCode(error, 'ENAMETOOLONG')) return ['is too long a path', another]
  if (hasCode(error, 'EACCES', 'EPERM')) return [`does not let ${user} in`, `make that user its owner, or ${another}`]
  if (hasCode(error, 'EROFS')) return ['is on a file system that is read-only', another]
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return ['has no space left', `free some, or ${another}`]
  return ['cannot be used', another]
}

/** Of a file or folder; an error of a socket names an address. */
function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'errno' in error && !('address' in error)
}
