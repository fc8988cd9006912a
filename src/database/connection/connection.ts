import pg from 'pg'
import { type DatabaseAddress, parseDatabaseUrl } from './database-url.ts'
import { findHost } from './host-search.ts'

/** How a connection is made. Every connection to DATABASE_URL or DATABASE_DIRECT_URL is made with these. */
export interface ConnectionOptions {
  /** What toPostgresUrl accepts. */
  readonly url: string
  readonly applicationName: string
  /** How long one attempt may take, and how long the search for the right host may take, milliseconds. */
  readonly connectTimeoutMs: number
}

/**
 * A connection that was silent for this time, milliseconds, is probed each second and given up after ten probes. LISTEN
 * waits in silence.
 */
const KEEP_ALIVE_MS = 10_000

/**
 * What node-postgres needs for a client, or for a pool of them. If the URL names several hosts, each new connection
 * finds the one that it may use.
 * @throws StartupError as parseDatabaseUrl does
 */
export function connectionConfig(options: ConnectionOptions): pg.PoolConfig & { Client: typeof pg.Client } {
  const address = parseDatabaseUrl(options.url)
  const config = hostConfig(address.hostUrls[0] ?? '', options)
  return { ...config, Client: address.target === undefined ? pg.Client : searchingClient(address, options) }
}

/**
 * Opens a connection outside a pool. The caller closes it.
 * @throws what node-postgres throws, or NoHostError
 */
export async function openConnection(options: ConnectionOptions): Promise<pg.Client> {
  const { Client, ...config } = connectionConfig(options)
  const client = new Client(config)
  // If the server is killed at this moment, its error arrives before the caller can listen, and would end the process.
  client.on('error', ignore)
  try {
    await client.connect()
    return client
  } catch (error) {
    await client.end().catch(ignore)
    throw error
  }
}

function hostConfig(hostUrl: string, { applicationName, connectTimeoutMs }: ConnectionOptions): pg.ClientConfig {
  return {
    connectionString: hostUrl,
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    // By default Node leaves it to the system, which notices a dead link after two hours.
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  }
}

type Connected = (error?: Error | null) => void

/** A client that asks the hosts which of them it may use, and then connects to that one. */
function searchingClient(address: DatabaseAddress, options: ConnectionOptions): typeof pg.Client {
  const open = (hostUrl: string) => new pg.Client(hostConfig(hostUrl, options))
  const search = () => findHost(address, open, options.connectTimeoutMs)

  return class extends pg.Client {
    override connect(): Promise<this>
    override connect(callback: Connected): void
    override connect(callback?: Connected): Promise<this> | undefined {
      const connected = this.#connect()
      if (!callback) return connected.then(() => this)
      connected.then(() => {
        callback(null)
      }, callback)
      return undefined
    }

    async #connect(): Promise<void> {
      const { host, port } = await search()
      // node-postgres reads both when it connects, and the parameters when it looks for a password in a file.
      const { connectionParameters } = this as unknown as { connectionParameters: object }
      for (const target of [this, connectionParameters]) Object.assign(target, { host, port })
      await super.connect()
    }
  }
}

/** The statement that fails reports the error. */
function ignore(): void {}
