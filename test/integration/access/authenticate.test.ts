import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHmac } from 'node:crypto'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAuthenticate as create } from '../../../src/access/authenticate.ts'
import { hashOf, keyIdOf, makeKey } from '../../../src/access/key-format.ts'
import { allKeys, createKey, revokeKey } from '../../../src/access/keys.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { Fault } from '../../../src/errors/fault.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'

/** Known at once or not, it is a promise here. */
function createAuthenticate(...given: Parameters<typeof create>) {
  const authenticate = create(...given)
  return async (credentials: Parameters<typeof authenticate>[0]) => await authenticate(credentials)
}

const NO_TOKENS = {
  ...{ jwtIssuer: undefined, jwtAudience: undefined, jwtJwksUrl: undefined },
  ...{ jwtAlgorithms: ['RS256', 'ES256', 'EdDSA'], jwtUserIdsClaim: 'waymark_user_ids' },
}
const INVALID = 'This key or token is not valid, or not any more: ask an operator for another one.'

let testDatabase: TestDatabase
let database: Database
let statements = 0
let aheadMs = 0
const clock = { now: () => new Date(Date.now() + aheadMs) }
beforeAll(async () => {
  testDatabase = await createTestDatabase()
  const timeouts = { connectTimeoutMs: 4_000, statementTimeoutMs: 10_000 }
  const real = openDatabase({ url: testDatabase.url, poolSize: 4, ...timeouts, log: pino({ level: 'silent' }) })
  database = {
    ...real,
    query: (statement) => {
      statements += 1
      return real.query(statement)
    },
  }
})
afterAll(async () => {
  await database.close()
  await testDatabase[Symbol.asyncDispose]()
})
beforeEach(() => {
  aheadMs = 0
})

const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
const refusal = async (asked: Promise<unknown>) => {
  const error: unknown = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Fault)) throw new Error(`expected a fault, got ${String(error)}`)
  return { code: error.code, message: error.message }
}
const unauthenticated = { code: 'UNAUTHENTICATED', message: INVALID }

describe('an API key', () => {
  const settings = { authentication: ['keys'], ...NO_TOKENS } as const
  const make = async (client: string, more: { userIds?: string[]; expiresAt?: Date } = {}) => {
    const input = { client, scopes: ['read'] as const, userIds: more.userIds, expiresAt: more.expiresAt }
    const created = await createKey(database, localOperator, input, clock.now())
    if (created instanceof Error) throw created
    return created
  }

  it('has 256 random bits in base 62, and is stored as a hash only', async () => {
    const { text, keyId } = await make('stored')
    expect(text).toMatch(/^wm_[0-9A-Za-z]{13}_[0-9A-Za-z]{43}$/)
    expect(keyIdOf(text)).toBe(keyId)
    const [row] = await testDatabase.query<{ all: string; hash: Buffer }>(
      `SELECT to_jsonb(k)::text AS all, hash FROM crawler.api_key k WHERE key_id = $1`,
      [keyId],
    )
    expect(row?.hash).toEqual(hashOf(text))
    expect(row?.all).not.toContain(text.slice(-43))
    expect(new Set(Array.from({ length: 1_000 }, () => makeKey().text)).size).toBe(1_000)
  })

  it('says whose it is, what it may do, and whom it reaches', async () => {
    const expiresAt = new Date(Date.now() + 60_000)
    const { text } = await make('bound', { userIds: ['ours'], expiresAt })
    const authenticate = createAuthenticate(database, clock, settings)
    expect(await authenticate(bearer(text))).toEqual({
      ...{ subject: 'key:bound', scopes: new Set(['read']), userIds: new Set(['ours']), expiresAt },
    })
    expect(await authenticate({ authorization: `bearer   ${text} ` })).toMatchObject({ subject: 'key:bound' })
  })

  it('is refused with one message, whatever is wrong with it', async () => {
    const authenticate = createAuthenticate(database, clock, settings)
    const { text } = await make('wrong', { expiresAt: new Date(Date.now() + 60_000) })
    const { text: revoked, keyId } = await make('wrong')
    await revokeKey(database, localOperator, keyId)
    const other = `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`
    for (const wrong of [other, revoked, makeKey().text, 'wm_', `${text}0`, 'wm_x_y', 'eyJhbGciOiJub25lIn0.e30.', '']) {
      expect(await refusal(authenticate(bearer(wrong))), wrong).toEqual(unauthenticated)
    }
    expect(await refusal(authenticate({ authorization: `Basic ${text}` }))).toEqual(unauthenticated)
    expect((await refusal(authenticate({ authorization: undefined }))).code).toBe('UNAUTHENTICATED')
    aheadMs = 60_001
    expect(await refusal(authenticate(bearer(text)))).toEqual(unauthenticated)
  })

  it('can be changed for a second one, and there is no third until one has ended', async () => {
    const first = await make('rotating')
    const second = await make('rotating')
    await expect(make('rotating')).rejects.toThrow(/two live keys/)
    const authenticate = createAuthenticate(database, clock, settings)
    for (const { text } of [first, second]) expect((await authenticate(bearer(text))).subject).toBe('key:rotating')
    await revokeKey(database, localOperator, first.keyId)
    await make('rotating')
    const keys = (await allKeys(database, localOperator)).filter(({ client }) => client === 'rotating')
    expect(keys.map(({ revokedAt }) => revokedAt !== null).sort()).toEqual([false, false, true])
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => make('at-once')))
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  })

  it('is made and listed by admins only', async () => {
    const operator = { ...localOperator, scopes: new Set(['read', 'crawl', 'operate'] as const) }
    const input = { client: 'x', scopes: ['read'] as const, userIds: undefined, expiresAt: undefined }
    expect((await refusal(createKey(database, operator, input, clock.now()))).code).toBe('FORBIDDEN')
    const bound = { ...localOperator, userIds: new Set(['ours']) }
    expect((await refusal(createKey(database, bound, input, clock.now()))).code).toBe('FORBIDDEN')
    expect(() => allKeys(database, operator)).toThrow(Fault)
  })

  it('is no longer taken once its row is read again after a revocation', async () => {
    const authenticate = createAuthenticate(database, clock, settings, 50)
    const { text, keyId } = await make('revoked')
    await authenticate(bearer(text))
    await revokeKey(database, localOperator, keyId)
    await expect
      .poll(() =>
        authenticate(bearer(text)).then(
          () => 'taken',
          () => 'refused',
        ),
      )
      .toBe('refused')
  })

  it('is taken until the expiry that it has when its first one comes', async () => {
    const authenticate = createAuthenticate(database, clock, settings)
    const { text, keyId } = await make('extended', { expiresAt: new Date(Date.now() + 60_000) })
    const { text: other } = await make('extended', { expiresAt: new Date(Date.now() + 60_000) })
    for (const key of [text, other]) await authenticate(bearer(key))
    const expiresAt = new Date(Date.now() + 120_000)
    await testDatabase.query('UPDATE crawler.api_key SET expires_at = $2 WHERE key_id = $1', [keyId, expiresAt])
    aheadMs = 60_001
    expect(await authenticate(bearer(text))).toMatchObject({ subject: 'key:extended', expiresAt })
    expect(await refusal(authenticate(bearer(other)))).toEqual(unauthenticated)
    statements = 0
    expect(await refusal(authenticate(bearer(other)))).toEqual(unauthenticated)
    expect(statements).toBe(0)
    aheadMs = 120_001
    expect(await refusal(authenticate(bearer(text)))).toEqual(unauthenticated)
  })

  it('costs no statement while its row is believed, and made-up ones one at a time', async () => {
    const authenticate = createAuthenticate(database, clock, settings)
    const { text } = await make('cheap')
    await authenticate(bearer(text))
    statements = 0
    await Promise.all(Array.from({ length: 100 }, () => authenticate(bearer(text))))
    expect(statements).toBe(0)
    const made = Array.from({ length: 500 }, () => makeKey().text)
    const attempt = () => Promise.all(made.map((wrong) => refusal(authenticate(bearer(wrong)))))
    expect(new Set((await attempt()).map(({ message }) => message))).toEqual(new Set([INVALID]))
    expect(statements).toBeLessThanOrEqual(2)
    statements = 0
    await attempt()
    expect(statements).toBe(0)
  })
})

describe('a token', async () => {
  const rsa = await generateKeyPair('RS256', { extractable: true })
  const stranger = await generateKeyPair('RS256')
  const shared = await exportSPKI(rsa.publicKey)
  let fetches = 0
  let status = 200
  const server = createServer((_request, response) => {
    fetches += 1
    response.writeHead(status, { 'content-type': 'application/json' })
    void exportJWK(rsa.publicKey).then((jwk) =>
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'one', alg: 'RS256' }] })),
    )
  })
  let jwtJwksUrl: string
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    jwtJwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))
  beforeEach(() => {
    fetches = 0
    status = 200
  })
  const setUp = () =>
    createAuthenticate(database, clock, {
      ...{
        ...NO_TOKENS,
        authentication: ['keys', 'jwt'],
        jwtIssuer: 'https://id.example.org',
        jwtAudience: 'waymark',
        jwtJwksUrl,
      },
    })
  const claims = (more: Record<string, unknown> = {}) => ({
    ...{
      iss: 'https://id.example.org',
      aud: 'waymark',
      sub: 'ada',
      exp: Math.floor(Date.now() / 1000) + 60,
      scope: 'openid read waymark:crawl',
    },
    ...more,
  })
  const sign = (payload: Record<string, unknown>, header: { alg?: string; kid?: string } = {}, key = rsa.privateKey) =>
    new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key)
  const unsigned = (header: Record<string, unknown>, payload: unknown) =>
    [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')

  it('says whose it is, what it may do, and whom it reaches', async () => {
    const payload = claims({ waymark_user_ids: ['ours'] })
    expect(await setUp()(bearer(await sign(payload)))).toEqual({
      ...{
        subject: 'jwt:ada',
        scopes: new Set(['read', 'crawl']),
        userIds: new Set(['ours']),
        expiresAt: new Date(payload.exp * 1000),
      },
    })
    expect(await setUp()(bearer(await sign(claims({ scope: undefined }))))).toMatchObject({
      scopes: new Set(),
      userIds: 'all',
    })
  })

  type Refused = [string, () => Promise<string> | string]
  it.each<Refused>([
    ['of another issuer', () => sign(claims({ iss: 'https://id.example.com' }))],
    ['for somebody else', () => sign(claims({ aud: 'other' }))],
    ['that has expired', () => sign(claims({ exp: Math.floor(Date.now() / 1000) - 1 }))],
    ['that never expires', () => sign(claims({ exp: undefined }))],
    ['that is not valid yet', () => sign(claims({ nbf: Math.floor(Date.now() / 1000) + 60 }))],
    ...[1e300, 1e15, Date.now() + 60_000, -1, '9999999999', true, null, [], {}].map((exp): Refused => [
      `whose expiry is ${JSON.stringify(exp)}`,
      () => sign(claims({ exp })),
    ]),
    ...[1e300, Date.now(), '0', -1, {}].map((time): Refused => [
      `whose other times are ${JSON.stringify(time)}`,
      () => sign(claims({ iat: time, nbf: time })),
    ]),
    ...[['ada'], { name: 'ada' }, 7, true, null, '', 'a\u0000b', 'a\ufffdb', 'a'.repeat(256)].map((sub): Refused => [
      `whose subject is ${JSON.stringify(sub).slice(0, 20)}`,
      () => sign(claims({ sub })),
    ]),
    ...[['a\u0000b'], [''], ['ours', 'a\ufffdb'], ['a'.repeat(256)], [null], [['ours']], {}, null].map(
      (bound): Refused => [
        `bound to ${JSON.stringify(bound).slice(0, 20)}`,
        () => sign(claims({ waymark_user_ids: bound })),
      ],
    ),
    ...[['read'], { read: true }, 7, true, null].map((scope): Refused => [
      `whose scope is ${JSON.stringify(scope)}`,
      () => sign(claims({ scope })),
    ]),
    ['of nobody', () => sign(claims({ sub: undefined }))],
    ['of a subject that no log line holds', () => sign(claims({ sub: 'a\nb' }))],
    ['bound to something else than users', () => sign(claims({ waymark_user_ids: 'ours' }))],
    ['bound to users of another type', () => sign(claims({ waymark_user_ids: [1] }))],
    ['that somebody else signed', () => sign(claims(), {}, stranger.privateKey)],
    [
      'with an algorithm that is not set',
      () => generateKeyPair('PS256').then(({ privateKey }) => sign(claims(), { alg: 'PS256' }, privateKey)),
    ],
    ['that is not signed', () => `${unsigned({ alg: 'none' }, claims())}.`],
    [
      'signed with the public key as a shared secret',
      () => {
        const body = unsigned({ alg: 'HS256', kid: 'one' }, claims())
        return `${body}.${createHmac('sha256', shared).update(body).digest('base64url')}`
      },
    ],
    ['that was cut off', async () => (await sign(claims())).slice(0, -8)],
    ['that is none', () => 'a.b.c'],
  ])('is refused where it is one %s', async (_what, make) => {
    expect(await refusal(setUp()(bearer(await make())))).toEqual(unauthenticated)
  })

  it('of a key that is not in the set costs one fetch in a while, not one each', async () => {
    const authenticate = setUp()
    await authenticate(bearer(await sign(claims())))
    for (let n = 0; n < 20; n += 1) {
      expect(
        await refusal(authenticate(bearer(await sign(claims(), { kid: `made-up-${n}` }, stranger.privateKey)))),
      ).toEqual(unauthenticated)
    }
    expect(fetches).toBe(1)
    expect((await authenticate(bearer(await sign(claims())))).subject).toBe('jwt:ada')
  })

  it.each([500, 302, 404])(
    'can not be judged while the set is answered with %d, which is not its bearer’s fault',
    async (answered) => {
      status = answered
      const authenticate = setUp()
      for (let n = 0; n < 5; n += 1)
        expect((await refusal(authenticate(bearer(await sign(claims()))))).code).toBe('SERVICE_UNAVAILABLE')
      expect(fetches).toBe(1)
    },
  )
})
