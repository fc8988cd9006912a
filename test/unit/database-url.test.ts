import { parse } from 'pg-connection-string'
import { describe, expect, it } from 'vitest'
import { parseDatabaseUrl, toPostgresUrl } from '../../src/database/connection/database-url.ts'
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
  it('with several hosts stays as it is', () => {
    const url = 'postgresql://ada@db1:5432,db2:5433/app?target_session_attrs=read-write'
    expect(toPostgresUrl(url.replace('postgresql', 'postgresql+asyncpg'))).toBe(url)
  })

  it.each([
    ['', undefined],
    ['?target_session_attrs=any', undefined],
    ['?target_session_attrs=read-write', 'read-write'],
    ['?target_session_attrs=primary', 'primary'],
  ])('of one host with %j looks for %s', (query, target) => {
    const { hostUrls, ...rest } = parseDatabaseUrl(`postgresql://ada:x@db/app${query}`)
    expect({ hostUrls, ...rest }).toEqual({ hostUrls: ['postgresql://ada:x@db/app'], target })
  })

  it.each([
    ['db1,db2/app', ['db1/app', 'db2/app']],
    ['ada:x,y%40@db1:1,db2:2,db3/app', ['ada:x,y%40@db1:1/app', 'ada:x,y%40@db2:2/app', 'ada:x,y%40@db3/app']],
    ['[::1]:1,[fe80::2],127.0.0.1:3/app', ['[::1]:1/app', '[fe80::2]/app', '127.0.0.1:3/app']],
    ['db1,db2/app?port=7', ['db1/app?port=7', 'db2/app?port=7']],
    ['db1,db2/app?port=7,8', ['db1/app?port=7', 'db2/app?port=8']],
    ['/app?host=db1,db2&port=7,8', ['localhost/app?host=db1&port=7', 'localhost/app?host=db2&port=8']],
    ['ada@/app?host=db1', ['ada@localhost/app?host=db1']],
    ['none/app?host=%2Frun%2Fone,db2', ['localhost/app?host=%2Frun%2Fone', 'localhost/app?host=db2']],
    ['db1,db2/app?sslmode=disable&load_balance_hosts=disable', ['db1/app?sslmode=disable', 'db2/app?sslmode=disable']],
    [
      'db1,db2?target_session_attrs=read-write&application_name=a',
      ['db1?application_name=a', 'db2?application_name=a'],
    ],
  ])('of several hosts is one for each, and the one that takes writes is looked for: %s', (given, expected) => {
    expect(parseDatabaseUrl(`postgres://${given}`)).toEqual({
      hostUrls: expected.map((url) => `postgresql://${url}`),
      target: expected.length > 1 ? 'read-write' : undefined,
    })
  })

  it.each([
    ['target_session_attrs=primary', 'primary'],
    ['target_session_attrs=any', 'any'],
    ['target_session_attrs=', 'read-write'],
    ['target_session_attrs=any&target_session_attrs=primary', 'primary'],
  ])('of several hosts with %s looks for %s', (query, target) => {
    expect(parseDatabaseUrl(`postgresql://db1,db2/app?${query}`).target).toBe(target)
  })

  it.each(['standby', 'prefer-standby', 'read-only', 'writer'])(
    'that asks for target_session_attrs=%s is refused in one line',
    (target) => {
      expect(() => toPostgresUrl(`postgresql://ada:hunter2@db/app?target_session_attrs=${target}`)).toThrow(
        new StartupError(
          `DATABASE_URL has target_session_attrs=${target}, but Waymark writes: use read-write or primary (or any, where every host takes writes).`,
        ),
      )
    },
  )

  it('that balances over its hosts is refused in one line', () => {
    expect(() => toPostgresUrl('postgresql://db1,db2/app?load_balance_hosts=random')).toThrow(
      /^DATABASE_URL has load_balance_hosts=random, but .*: remove load_balance_hosts\.$/,
    )
  })

  it.each([
    ['db1,db2,db3/app?port=1,2', /^DATABASE_URL names 3 hosts and 2 ports: give one port for each/],
    ['db1/app?port=1,2', /^DATABASE_URL names 1 hosts and 2 ports/],
    ['db1/app?port=x', /^DATABASE_URL has a port that is no number/],
    ['db1/app?port=70000', /^DATABASE_URL has a port that is no number/],
    ['db1:1,db2:x/app', /percent-encode/],
    ['ada:hunter#2@db1,db2/app', /percent-encode/],
  ])('with ports that do not fit is refused in one line: %s', (given, says) => {
    expect(() => toPostgresUrl(`postgresql://${given}`)).toThrow(says)
    expect(() => toPostgresUrl(`postgresql://${given}`)).not.toThrow(/hunter/)
  })

  it('of another setting is refused under that name', () => {
    expect(() => toPostgresUrl('mysql://x', 'DATABASE_DIRECT_URL')).toThrow(/^DATABASE_DIRECT_URL must start/)
  })
})
