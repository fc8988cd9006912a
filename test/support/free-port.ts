import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A port that was free when asked for, for what needs the same one after a restart or cannot take port 0. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
