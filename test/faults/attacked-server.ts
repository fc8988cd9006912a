import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { pino } from 'pino'
import { createKey } from '../../src/access/keys.ts'
import { openDatabase } from '../../src/database/database.ts'
import { localOperator } from '../../src/identity/principal.ts'
import { createTestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import type { Attack, Target } from './attack.ts'

const HEAP_MIB = 512
const ISSUER = 'https://id.example.org'
const AUDIENCE = 'waymark'

/** A server to attack, and its process. */
export interface AttackedServer extends Target, AsyncDisposable {
  readonly process: ServerProcess
  /** An Authorization header for the crawler that works beside the attack. */
  readonly crawler: string
  /** Attacks whose data are in the database. */
  readonly prepared: Set<Attack>
  /** An Authorization header of a caller that nobody knows yet. */
  makeInsider(): Promise<string>
}

/** Starts a server with a heap of 512 MiB over a database of its own, and an issuer whose tokens it takes. */
export async function startAttackedServer(settings: Readonly<Record<string, string>> = {}): Promise<AttackedServer> {
  const database = await createTestDatabase()
  const issuer = await startIssuer()
  const crawler = await makeKey(database.url, 'crawler')
  let insiders = 0
  const makeInsider = () => makeKey(database.url, `insider-${(insiders += 1)}`)
  const server = await startServer({
    DATABASE_URL: database.url,
    LOG_LEVEL: 'warn',
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
    AUTHENTICATION: 'keys,jwt',
    JWT_ISSUER: ISSUER,
    JWT_AUDIENCE: AUDIENCE,
    JWT_JWKS_URL: issuer.url,
    ...settings,
  })
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    database,
    process: server,
    crawler,
    insider: await makeInsider(),
    makeInsider,
    prepared: new Set(),
    scopeless: await issuer.sign({ scope: '' }),
    sign: (claims) => issuer.sign(claims),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await issuer[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }] })
  const server = createServer((_request, response) => response.end(keySet))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    async sign(claims: Readonly<Record<string, unknown>>): Promise<string> {
      const valid = { iss: ISSUER, aud: AUDIENCE, sub: 'somebody', exp: Math.floor(Date.now() / 1000) + 3_600 }
      const token = await new SignJWT({ ...valid, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .sign(privateKey)
      return `Bearer ${token}`
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function makeKey(url: string, client: string): Promise<string> {
  const timeouts = { connectTimeoutMs: 4_000, statementTimeoutMs: 10_000 }
  const database = openDatabase({ url, poolSize: 1, ...timeouts, log: pino({ level: 'silent' }) })
  try {
    const input = { client, scopes: SCOPES, userIds: undefined, expiresAt: undefined }
    const created = await createKey(database, localOperator, input, new Date())
    if (created instanceof Error) throw created
    return `Bearer ${created.text}`
  } finally {
    await database.close()
  }
}

const SCOPES = ['read', 'crawl', 'operate'] as const
