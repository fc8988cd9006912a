import { type AddressInfo, createServer, type Socket } from 'node:net'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { faultOf, sqlState } from '../../../src/database/errors.ts'
import { Fault } from '../../../src/errors/fault.ts'
import { createTestDatabase, type TestDatabase, urlOfDatabase, withClient } from '../../support/database.ts'

/** What a promise fails with. */
async function failureOf(failing: Promise<unknown>): Promise<unknown> {
  return failing.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => error,
  )
}

function open(url: string, settings: Partial<Parameters<typeof openDatabase>[0]> = {}) {
  const database = openDatabase({
    url,
    poolSize: 2,
    connectTimeoutMs: 1_000,
    statementTimeoutMs: 1_000,
    log: pino({ level: 'silent' }),
    ...settings,
  })
  return Object.assign(database, { [Symbol.asyncDispose]: () => database.close() })
}

const sql = (text: string) => ({ text, values: [] })

/** The same failure by both ways to the tables: the pool's own and Prisma's. */
const ways: [string, (database: Database, text: string) => Promise<unknown>][] = [
  ['the pool', (database, text) => database.query(sql(text))],
  ['Prisma', (database, text) => database.prisma.$queryRawUnsafe(text)],
]

describe.each(ways)('an error of the database, by %s,', (_way, run) => {
  let test: TestDatabase
  let database: Database
  beforeAll(async () => {
    test = await createTestDatabase()
    // On a busy machine the first statement of Prisma may take a while.
    database = open(test.url, { connectTimeoutMs: 10_000 })
    await run(database, 'SELECT 1')
  })
  afterAll(async () => {
    await database.close()
    await test[Symbol.asyncDispose]()
  })

  const expectFault = async (failing: Promise<unknown>, code: string, message: RegExp) => {
    const error = await failureOf(failing)
    expect(error).toBeInstanceOf(Fault)
    expect((error as Fault).code).toBe(code)
    expect((error as Fault).message).toMatch(message)
    expect((error as Fault).cause).toBeInstanceOf(Error)
  }

  it.each([
    ['42P01', 'SELECT * FROM crawler.nowhere'],
    ['42703', 'SELECT nothing FROM crawler.crawl_session'],
    ['22012', 'SELECT 1 / 0'],
    ['55000', 'SELECT lastval()'],
    [
      '23505',
      `WITH u AS (INSERT INTO public."user" VALUES ('a') RETURNING id) INSERT INTO crawler.feed SELECT true FROM u`,
    ],
    ['23503', `INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s', 'nobody')`],
    ['23502', `INSERT INTO public."user" VALUES (NULL)`],
    ['23514', `UPDATE crawler.feed SET only_row = false`],
    ['22001', `INSERT INTO public."user" VALUES (repeat('x', 256))`],
  ])('tells its SQLSTATE %s and is no fault that a client may read', async (state, text) => {
    const error = await failureOf(run(database, text))
    expect(error).not.toBeInstanceOf(Fault)
    expect(sqlState(error)).toBe(state)
    expect(faultOf(error)).toBe(error)
  })

  // What PostgreSQL says where it cannot serve now, whatever the statement was. RAISE gives each the code it has there.
  it.each([
    ['25006', /takes no writes just now.*Nothing was written/],
    ['53000', /cannot be reached just now/],
    ['53100', /no disk space left/],
    ['53200', /cannot be reached just now/],
    ['53400', /cannot be reached just now/],
    ['57P01', /cannot be reached just now/],
    ['57P05', /cannot be reached just now/],
    ['58000', /cannot read or write its files/],
    ['58030', /cannot read or write its files/],
    ['58P01', /cannot read or write its files/],
    ['08006', /cannot be reached just now/],
    ['F0000', /cannot be reached just now/],
  ])('that the database cannot serve now, SQLSTATE %s, can be tried again', async (state, message) => {
    await test.query(`CREATE OR REPLACE FUNCTION public.fail() RETURNS text LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '${state}'; END $$`)
    await expectFault(run(database, 'SELECT public.fail()'), 'SERVICE_UNAVAILABLE', message)
  })

  it('that it only takes reads can be tried again, on another connection', async () => {
    const backend = async () => {
      const rows = await run(database, 'SELECT pg_backend_pid()::text AS pid')
      return (rows as [{ pid: string }])[0].pid
    }
    const before = await backend()
    // Read by one statement alone: the session stays as it is, read-only.
    await run(database, `SELECT set_config('default_transaction_read_only', 'on', false)`)
    await expectFault(
      run(database, `SELECT nextval('crawler.feed_event_id')`),
      'SERVICE_UNAVAILABLE',
      /takes no writes/,
    )
    expect(await backend()).not.toBe(before)
    await expect(run(database, `SELECT nextval('crawler.feed_event_id')::text`)).resolves.toHaveLength(1)
  })

  it.each([
    ['a password that is refused', 'nobody:wrong'],
    ['a role that may not connect', `ROLE:x`],
  ])('that it refuses the session can be tried again: %s', async (_name, login) => {
    await test.query(`CREATE ROLE ${test.name} LOGIN PASSWORD 'x'; REVOKE CONNECT ON DATABASE ${test.name} FROM PUBLIC`)
    try {
      const url = test.url.replace(/\/\/[^@]*@/, `//${login.replace('ROLE', test.name)}@`)
      await using refused = open(url)
      await expectFault(run(refused, 'SELECT 1'), 'SERVICE_UNAVAILABLE', /cannot be reached just now/)
    } finally {
      await test.query(`GRANT CONNECT ON DATABASE ${test.name} TO PUBLIC; DROP ROLE ${test.name}`)
    }
  })

  it('that it is gone can be tried again', async () => {
    await using gone = open(urlOfDatabase(test.url, `${test.name}_gone`))
    await expectFault(run(gone, 'SELECT 1'), 'SERVICE_UNAVAILABLE', /cannot be reached just now/)
  })

  it('that it offers no TLS, which the URL asks for, can be tried again', async () => {
    await using plain = open(test.url.replace('sslmode=disable', 'sslmode=verify-full'))
    await expectFault(run(plain, 'SELECT 1'), 'SERVICE_UNAVAILABLE', /cannot be reached just now/)
  })

  it('that a date can not be read is the caller’s', async () => {
    await expectFault(run(database, `SELECT 'no date'::timestamptz`), 'BAD_USER_INPUT', /date.*out of range/)
    await expectFault(run(database, `SELECT '2026-02-30'::timestamptz`), 'BAD_USER_INPUT', /date.*out of range/)
    await expectFault(run(database, `SELECT timestamptz '294276-01-01' + interval '1 year'`), 'BAD_USER_INPUT', /date/)
  })

  it('that a statement took too long can be tried again', async () => {
    await expectFault(run(database, 'SELECT pg_sleep(30)'), 'SERVICE_UNAVAILABLE', /took too long/)
  })

  it('that somebody holds the row can be tried again', async () => {
    await test.query(`INSERT INTO public."user" VALUES ('held')`)
    await withClient(test.url, async (holder) => {
      await holder.query(`BEGIN; DELETE FROM public."user" WHERE id = 'held'`)
      const patient = open(test.url, { statementTimeoutMs: 10_000 })
      await expectFault(
        run(patient, `DELETE FROM public."user" WHERE id = 'held'`),
        'SERVICE_UNAVAILABLE',
        /Another transaction holds a row/,
      )
      await patient.close()
      await holder.query('ROLLBACK')
    })
  })

  it('that it lost a deadlock can be tried again', async () => {
    const touch = (id: string) => `UPDATE public."user" SET id = id WHERE id = '${id}'`
    // It looks for a deadlock once, when it has waited so long: by then the other must wait too.
    // Takes one row, waits for a lock that the other holds, then takes the other row, which the other has taken.
    await test.query(`INSERT INTO public."user" VALUES ('one'), ('two');
      CREATE FUNCTION public.take_both() RETURNS text LANGUAGE plpgsql SET deadlock_timeout = '2s' SET lock_timeout = 0 AS $$
      BEGIN ${touch('one')}; PERFORM pg_advisory_xact_lock_shared(1); ${touch('two')}; RETURN ''; END $$`)
    await withClient(test.url, async (other) => {
      // It never looks for a deadlock itself, so that it is the pool's statement that loses.
      await other.query(`SET deadlock_timeout = '10min'`)
      await other.query('SELECT pg_advisory_lock(1)')
      await other.query(`BEGIN; ${touch('two')}`)
      // On a busy machine the steps of this test take longer than the statements of the others may.
      await using patient = open(test.url, { statementTimeoutMs: 60_000 })
      const failing = run(patient, 'SELECT public.take_both()').then(
        () => undefined,
        (error: unknown) => error,
      )
      const waiting = (locktype: string) =>
        test.query(`SELECT FROM pg_locks WHERE NOT granted AND locktype = '${locktype}'
        AND (database IS NULL OR database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
      await expect.poll(() => waiting('advisory')).toHaveLength(1)
      await other.query('SELECT pg_advisory_unlock(1)')
      const [error] = await Promise.all([failing, other.query(touch('one'))])
      expect(error).toMatchObject({ name: 'Fault', code: 'SERVICE_UNAVAILABLE' })
      expect(sqlState((error as Fault).cause)).toBe('40P01')
      await other.query('ROLLBACK')
    })
    await test.query('DROP FUNCTION public.take_both()')
    await test.query(`DELETE FROM public."user"`)
  })

  it('that the connection was cut can be tried again, and the next statement has a new one', async () => {
    const cut = 'SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)'
    await expectFault(run(database, cut), 'SERVICE_UNAVAILABLE', /cannot be reached just now/)
    await expect(run(database, 'SELECT 1')).resolves.toHaveLength(1)
  })

  it('that there are too many connections can be tried again', async () => {
    await test.query(`ALTER DATABASE ${test.name} CONNECTION LIMIT 0; CREATE ROLE ${test.name} LOGIN PASSWORD 'x'`)
    const url = new URL(test.url)
    url.username = test.name
    url.password = 'x'
    const crowded = open(url.toString())
    await expectFault(run(crowded, 'SELECT 1'), 'SERVICE_UNAVAILABLE', /cannot be reached just now/)
    await crowded.close()
    await test.query(`ALTER DATABASE ${test.name} CONNECTION LIMIT -1; DROP ROLE ${test.name}`)
  })

  it('that it takes no connections just now can be tried again, and works once it does', async () => {
    const allow = (isAllowed: boolean) =>
      withClient(inject('serverUrl'), (elsewhere) =>
        elsewhere.query(`ALTER DATABASE ${test.name} ALLOW_CONNECTIONS ${isAllowed}`),
      )
    await using closed = open(test.url)
    await allow(false)
    try {
      const error = await failureOf(run(closed, 'SELECT 1'))
      expect(error).toMatchObject({ name: 'Fault', code: 'SERVICE_UNAVAILABLE' })
      expect((error as Fault).message).toMatch(/cannot be reached just now/)
      expect(sqlState((error as Fault).cause)).toBe('55000')
    } finally {
      await allow(true)
    }
    await expect(run(closed, 'SELECT 1')).resolves.toHaveLength(1)
  })
})

describe.each<[string, (database: Database) => Promise<unknown>]>([
  ['the pool', (database) => database.query(sql('SELECT 1'))],
  ['Prisma', (database) => database.prisma.user.findUnique({ where: { userId: 'alice' } })],
])('a database that is away, by %s,', (_way, read) => {
  const unreachable = async (url: string, settings?: Partial<Parameters<typeof openDatabase>[0]>) => {
    await using database = open(url, settings)
    const error = await failureOf(read(database))
    expect(error).toMatchObject({ name: 'Fault', code: 'SERVICE_UNAVAILABLE' })
    expect((error as Fault).message).not.toMatch(/127|localhost|connect|ECONN/)
  }

  it('is SERVICE_UNAVAILABLE where nobody listens', () => unreachable('postgresql://127.0.0.1:9/none'))
  it('is SERVICE_UNAVAILABLE where nobody listens on either address of localhost', () =>
    unreachable('postgresql://localhost:9/none'))
  it('is SERVICE_UNAVAILABLE where its name is not known', () => unreachable('postgresql://waymark.invalid/none'))
  it('is SERVICE_UNAVAILABLE where its socket is not there', () => unreachable('postgresql://%2Fnowhere/none'))

  it('is SERVICE_UNAVAILABLE where it takes connections and says nothing', async () => {
    await using silent = await listen((socket) => socket.on('error', () => undefined))
    await unreachable(silent.url)
  })

  it('is SERVICE_UNAVAILABLE where it hangs up', async () => {
    await using rude = await listen((socket) => socket.destroy())
    await unreachable(rude.url)
  })

  it('is SERVICE_UNAVAILABLE where all connections are taken', async () => {
    await using test = await createTestDatabase()
    await using database = open(test.url, { poolSize: 2, connectTimeoutMs: 2_000, statementTimeoutMs: 60_000 })
    const busy = [1, 2].map(() => failureOf(database.query(sql('SELECT pg_sleep(50)'))))
    const ofBusy = `FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(50)'`
    await expect.poll(() => test.query(`SELECT ${ofBusy} AND state = 'active'`)).toHaveLength(2)
    expect(await failureOf(read(database))).toMatchObject({ name: 'Fault', code: 'SERVICE_UNAVAILABLE' })
    await test.query(`SELECT pg_cancel_backend(pid) ${ofBusy}`)
    await Promise.all(busy)
  })

  it('is SERVICE_UNAVAILABLE once the pool is closed', async () => {
    const database = open('postgresql://127.0.0.1:9/none')
    await database.close()
    expect(await failureOf(read(database))).toMatchObject({ name: 'Fault', code: 'SERVICE_UNAVAILABLE' })
  })
})

describe('what is no error of the database', () => {
  it.each([
    new Error('boom'),
    new TypeError('x is not a function'),
    Object.assign(new Error('no such file'), { code: 'EACCES' }),
    new pg.DatabaseError('no code', 1, 'error'),
    'a string',
    undefined,
    null,
  ])('stays what it is: %s', (error) => {
    expect(faultOf(error)).toBe(error)
    expect(sqlState(error)).toBeUndefined()
  })

  it('does not go round in circles', () => {
    const error = new Error('boom')
    error.cause = error
    expect(faultOf(error)).toBe(error)
  })

  it('is a fault that was made already', () => {
    const fault = new Fault('CURSOR_EXPIRED', 'List again.', { cause: Object.assign(new Error(), { code: '57014' }) })
    expect(faultOf(fault)).toBe(fault)
  })
})

async function listen(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `postgresql://127.0.0.1:${(server.address() as AddressInfo).port}/none`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
