export interface ErrorDescription {
  readonly type: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: ErrorDescription
}

const deepestCause = 5

/**
 * What the log may keep of an error. Its other properties are left out: drivers put the statement's parameters and the
 * row's values there (pg's `detail`, Prisma's `meta`). Passwords in URLs are blanked.
 */
export function describeError(error: unknown, options: { stack: boolean }, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: blankPasswords(String(error)) }
  const inner = error.cause ?? ('originalError' in error ? error.originalError : undefined)
  return {
    type: error.constructor.name,
    message: blankPasswords(error.message),
    ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
    ...(options.stack && error.stack !== undefined ? { stack: blankPasswords(error.stack) } : {}),
    ...(inner === undefined || depth === deepestCause ? {} : { cause: describeError(inner, options, depth + 1) }),
  }
}

function blankPasswords(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]*@/gi, '$1***@')
}
