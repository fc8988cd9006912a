import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { type Attack, type Target } from '../attack.ts'
import { openStream } from '../open-stream.ts'
import { isFull, rounds } from '../rounds.ts'

const STREAMS = rounds(300, 20)
const AT_ONCE = 10
const ENDED_MS = 30_000
const LIFE_MS = 1_000

/**
 * What is done to the key while its streams are open. A server looks at it every ten seconds, and believes what it has
 * read for ten: too long for the short round, so there the key expires, which is seen to the second.
 */
const changes = isFull
  ? [`scopes = ARRAY['crawl']`, `user_ids = ARRAY['somebody']`, 'revoked_at = now()', 'expires_at = now()']
  : []

async function openAll(way: keyof typeof openStream, { url, insider: authorization }: Target) {
  const query = 'subscription { sessionStatusChanged { cursor } }'
  const streams = []
  while (streams.length < STREAMS) {
    const opening = Array.from({ length: AT_ONCE }, () => openStream[way]({ url, authorization, query }))
    streams.push(...(await Promise.all(opening)))
  }
  return streams
}

async function strike(way: keyof typeof openStream, target: Target): Promise<void> {
  const keyId = target.insider.split('_')[1]
  const update = (change: string) =>
    target.database.query(`UPDATE crawler.api_key SET ${change} WHERE key_id = $1`, [keyId])
  for (const change of changes.length === 0 ? [undefined] : changes) {
    // Before anybody has read the key, or after it was refused: what was done to it before is undone.
    const life = isFull ? 'NULL' : `now() + ${LIFE_MS} * interval '1 millisecond'`
    await update(`scopes = ARRAY['read', 'crawl'], user_ids = NULL, revoked_at = NULL, expires_at = ${life}`)
    if (isFull) await delay(11_000)
    const streams = await openAll(way, target)
    if (change !== undefined) await update(change)
    const over = Promise.all(streams.map((stream) => stream.over)).then(() => 'over')
    const ended = await Promise.race([over, delay(ENDED_MS, 'open', { ref: false })])
    const told = streams.map((stream) => stream.told)
    await Promise.all(streams.map((stream) => stream.close()))
    expect(ended).toBe('over')
    // 4401: on a busy machine the short life may be over before the last one is open.
    expect(told.filter((text) => !/"code":"UNAUTHENTICATED"|closed with 4401/.test(text))).toEqual([])
  }
}

export const attack: Attack = {
  title: 'streams that stay open when their key is changed, revoked or expires',
  ways: {
    // Over plain HTTP nothing outlives its answer.
    SSE: (target) => strike('SSE', target),
    WebSocket: (target) => strike('WebSocket', target),
  },
}
