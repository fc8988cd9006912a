import { setTimeout as sleep } from 'node:timers/promises'

/** Sends it again, for two minutes, where no answer came or the answer says that the service is down. */
export async function request(url: string, init: RequestInit): Promise<{ reply: Response; body: object }> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const reply = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) })
      const body = (await reply.json()) as { errors?: { extensions?: { code?: string } }[] }
      // Waymark says it in GraphQL.
      const isDown = reply.status > 500 || body.errors?.[0]?.extensions?.code === 'SERVICE_UNAVAILABLE'
      if (!isDown) return { reply, body }
      throw new Error(`${url} is out of service`)
    } catch (error) {
      if (attempt === 125) throw error
      await sleep(Math.min(100 * attempt, 1_000))
    }
  }
}
