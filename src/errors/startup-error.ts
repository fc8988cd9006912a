/**
 * A problem that keeps Waymark from starting and that the operator can fix: a bad setting, a data directory in use.
 * cli.ts prints `message` as one line and exits with code 2, so the message says what to do next.
 */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}
