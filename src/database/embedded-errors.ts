import { StartupError } from '../startup-error.ts'
import type { Identity } from './embedded-identity.ts'

/** Whether an error is one of the operating system's, of one of these codes (ENOENT, EEXIST, ...). */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
}

/**
 * One clear line for what the file system refuses in DATA_DIR.
 * @returns a StartupError; anything else is a fault and comes back as it is
 */
export function explainFileError(error: unknown, dataDir: string, identity: Identity | undefined): unknown {
  if (!(error instanceof Error)) return error
  const said = `DATA_DIR ${dataDir} %s (${error.message}): `
  if (hasCode(error, 'EEXIST', 'ENOTDIR')) {
    return new StartupError(`${said.replace('%s', 'is not a folder')}choose another DATA_DIR.`, { cause: error })
  }
  // ENOENT is what mkdir -p in Node says on a read-only file system.
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS') || (hasCode(error, 'ENOENT') && error.message.includes('mkdir'))) {
    const user = identity ? identity.user : 'the user that runs Waymark'
    const line = `${said.replace('%s', `does not let ${user} in`)}make that user its owner, or choose another DATA_DIR.`
    return new StartupError(line, { cause: error })
  }
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
    return new StartupError(`${said.replace('%s', 'has no space left')}free some, or choose another DATA_DIR.`, {
      cause: error,
    })
  }
  return error
}
