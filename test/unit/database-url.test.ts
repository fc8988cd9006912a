import { parse } from 'pg-connection-string'
import { describe, expect, it } from 'vitest'
import { toPostgresUrl } from '../../src/database/database-url.ts'
import { StartupError } from '../../src/errors/startup-error.ts'

describe('DATABASE_URL', () => {
  it.each([
    ['postgresql://localhost:5432/waymark', 'postgresql://localhost:5432/waymark'],
    ['postgres://localhost:5432/waymark', 'postgresql://localhost:5432/waymark'],
    ['postgresql+asyncpg://localhost:5432/waymark', 'postgresql://localhost:5432/waymark'],
    ['postgresql+psycopg2://localhost:5432/waymark', 'postgresql://localhost:5432/waymark'],
    ['POSTGRESQL+ASYNCPG://localhost/waymark', 'postgresql://localhost/waymark'],
  ])('%s is %s', (given, accepted) => {
    expect(toPostgresUrl(given)).toBe(accepted)
  })

  it('keeps user, password, port, database and options as they were', () => {
    const url = toPostgresUrl(
      'postgresql+asyncpg://way%40mark:p%2Fa%3As%23s@db.example.org:6543/app%20one?sslmode=disable',
    )
    expect(parse(url)).toMatchObject({
      user: 'way@mark',
      password: 'p/a:s#s',
      host: 'db.example.org',
      port: '6543',
      database: 'app one',
      ssl: false,
    })
  })

  it.each([
    'mysql://localhost/x',
    'postgresqls://localhost/x',
    'localhost/x',
    'postgresql:localhost',
    '://x',
    'postgresql+://x',
  ])('is not %s, and the refusal says what it may be', (given) => {
    expect(() => toPostgresUrl(given)).toThrow(StartupError)
    expect(() => toPostgresUrl(given)).toThrow(/must start with postgresql:\/\/.*e\.g\. postgresql:\/\//)
  })

  it.each([
    'postgresql://waymark:hun#ter2@db:x/app',
    'postgresql://waymark:hunter2@db:99999/app',
    'postgresql://[::1/app',
  ])('that is no URL (%s) is refused with how to encode it, without being repeated', (given) => {
    expect(() => toPostgresUrl(given)).toThrow(/percent-encode/)
    expect(() => toPostgresUrl(given)).not.toThrow(/ter2/)
  })
})
