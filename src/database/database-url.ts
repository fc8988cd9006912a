import { StartupError } from '../errors/startup-error.ts'

/**
 * Turns the forms of DATABASE_URL that people use into what node-postgres accepts.
 * `postgresql://` and `postgres://` pass; `postgresql+asyncpg://` (SQLAlchemy's way to name a driver) loses its driver
 * part.
 * @throws StartupError for any other scheme or an invalid URL; the message never repeats the URL, which may hold a
 *   password
 */
export function toPostgresUrl(text: string): string {
  const scheme = /^([a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (!scheme || !/^postgres(ql)?(\+[a-z0-9]+)?$/.test(scheme)) {
    throw new StartupError(
      'DATABASE_URL must start with postgresql:// (postgres:// and postgresql+asyncpg:// are accepted too), e.g. postgresql://user:password@localhost:5432/waymark',
    )
  }
  const url = `postgresql://${text.slice(scheme.length + '://'.length)}`
  if (!URL.canParse(url)) {
    throw new StartupError(
      'DATABASE_URL is no valid URL: percent-encode special characters in the user name and password (@ is %40, / is %2F, # is %23).',
    )
  }
  return url
}
