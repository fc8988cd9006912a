import { readdirSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import type { Attack, Way } from './attack.ts'
import { type AttackedServer, startAttackedServer } from './attacked-server.ts'
import { CrawlerBeside } from './crawler-beside.ts'
import { isFull, tell } from './rounds.ts'

/** A crawler's saves and heartbeats are answered within this, whatever anybody else does. */
const ANSWERED_MS = 3_000
const TIMEOUT_MS = isFull ? 600_000 : 60_000

const folder = new URL('attacks/', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.ts'))
const attacks = await Promise.all(
  names.map(async (name) => ((await import(new URL(name, folder).href)) as { attack: Attack }).attack),
)

/** One for all attacks, as long as none of them ends it. */
let server: AttackedServer | undefined
const hasEnded = ({ process: { child } }: AttackedServer) => child.exitCode !== null || child.signalCode !== null
async function end(): Promise<void> {
  await server?.[Symbol.asyncDispose]()
  server = undefined
}
afterAll(end)

async function serverFor(attack: Attack): Promise<AttackedServer> {
  if (server && hasEnded(server)) await end()
  server ??= await startAttackedServer()
  if (!server.prepared.has(attack)) await attack.prepare?.(server)
  server.prepared.add(attack)
  return server
}

describe.each(attacks.map((attack) => [attack.title, attack] as const))('beside a crawler: %s', (title, attack) => {
  const ways = Object.entries(attack.ways) as [Way, NonNullable<Attack['ways'][Way]>][]
  it.each(ways)(
    'over %s: the server lives, and every save and heartbeat is answered within 3 s',
    { timeout: TIMEOUT_MS },
    async (way, strike) => {
      const server = await serverFor(attack)
      // A caller of its own: what the attack before it has spent is not this one's.
      const target = { ...server, insider: await server.makeInsider() }
      const crawler = await CrawlerBeside.start(server.url, server.crawler)
      const struck = await Promise.allSettled([strike(target)])
      const report = await crawler.stop()
      // First, since all else fails with it.
      expect(hasEnded(server), 'whether the server ended').toBe(false)
      expect(struck).toEqual([{ status: 'fulfilled', value: undefined }])
      tell(`${title}, over ${way}: ${report.saves} saves, ${report.heartbeats} heartbeats, worst ${report.worstMs} ms`)
      expect(report.failures).toEqual([])
      expect(Math.min(report.saves, report.heartbeats)).toBeGreaterThan(0)
      expect(report.worstMs).toBeLessThan(ANSWERED_MS)
      expect((await fetch(new URL('/ready', server.url))).status).toBe(200)
      expect(unexpectedErrors(server)).toEqual([])
    },
  )
})

/** Lines of the log at level error: what an attacker sends is no fault of the server. */
function unexpectedErrors({ process: { lines } }: AttackedServer): readonly string[] {
  return lines.filter((line) => line.startsWith('{') && (JSON.parse(line) as { level: number }).level >= 50)
}
