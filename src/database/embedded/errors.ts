import { StartupError } from '../../errors/startup-error.ts'
import type { Identity } from './identity.ts'

/** Whether an error is the operating system's, with one of these codes (ENOENT, EEXIST, ...). */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
}

/**
 * Explains an error of the file system in DATA_DIR in one line.
 * @returns a StartupError; any other error is returned as it is
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

/** Whether an error concerns a file or folder. An error of a socket has an address. */
function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'errno' in error && !('address' in error)
}
