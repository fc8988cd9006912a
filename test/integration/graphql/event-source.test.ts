import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

/** What EventSource keeps of an event. */
interface ServerEvent {
  readonly id: string
  readonly told: { readonly data?: { told: Record<string, unknown> } | null; readonly errors?: readonly any[] }
}

/** Opens the same URL as EventSource does, and reads until `count` events have come, or the stream has ended. */
async function listen(url: string, count: number, lastEventId?: string): Promise<ServerEvent[]> {
  const leave = new AbortController()
  const headers = { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) }
  const response = await fetch(url, { headers, signal: leave.signal })
  const events: ServerEvent[] = []
  let text = ''
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  while (reader && events.length < count) {
    const { done, value } = await reader.read()
    if (done) break
    const blocks = (text += value).split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks.filter((each) => each.startsWith('event: next\n'))) {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => [line.split(': ', 1)[0], line.replace(/^\w+: /, '')]),
      )
      events.push({ id: fields['id'] ?? '', told: JSON.parse(fields['data'] ?? '') as ServerEvent['told'] })
    }
  }
  leave.abort()
  await reader?.cancel().catch(() => undefined)
  return events
}

describe.each([
  ['checkpointChanged', 'checkpoints', '{ cursor userId }', '{ userId }'],
  ['sessionStatusChanged', 'sessions', '{ cursor sessionId }', '{ sessionId }'],
])('%s by GET', (field, list, withCursor, withoutCursor) => {
  let waymark: TestWaymark
  let after: string
  beforeAll(async () => {
    waymark = await startWaymark()
    after = (await waymark.ask(`{ ${list}(first: 1) { feedCursor } }`))[list].feedCursor as string
    for (const userId of ['ann', 'ben', 'cid']) {
      await mutate(waymark, 'registerUser', { userId })
      if (list === 'sessions') await mutate(waymark, 'startSession', { userId, sessionId: userId })
      else await mutate(waymark, 'saveCheckpoint', { userId, itemId: '1' })
    }
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  const urlOf = (selection: string, variables: Record<string, unknown>) => {
    const query = `subscription ($after: String) { told: ${field}(after: $after) ${selection} }`
    return `${waymark.url}?${new URLSearchParams({ query, variables: JSON.stringify(variables) }).toString()}`
  }
  const names = (events: ServerEvent[]) =>
    events.map(({ told }) => told.data?.told['userId'] ?? told.data?.told['sessionId'])

  it('has each event’s cursor as its id', async () => {
    const events = await listen(urlOf(withCursor, { after }), 3)
    expect(names(events)).toEqual(['ann', 'ben', 'cid'])
    expect(events.map(({ id }) => id)).toEqual(events.map(({ told }) => told.data?.told['cursor']))
  })

  it('goes on after Last-Event-ID where the same URL is opened again, whatever its `after`, also where no cursor is selected', async () => {
    for (const variables of [{ after }, {}, { after: 'nonsense that was good once' }]) {
      const [first] = await listen(urlOf(withoutCursor, { after }), 1)
      expect(names(await listen(urlOf(withoutCursor, variables), 2, first?.id))).toEqual(['ben', 'cid'])
    }
  })

  it('refuses a Last-Event-ID that is no cursor, as it does an `after`, and reads none from a POST', async () => {
    const [event] = await listen(urlOf(withCursor, { after }), 1, 'nonsense')
    expect(event?.told.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    const leave = new AbortController()
    const query = `subscription ($after: String) { told: ${field}(after: $after) ${withoutCursor} }`
    const posted = await fetch(waymark.url, {
      method: 'POST',
      headers: { accept: 'text/event-stream', 'content-type': 'application/json', 'last-event-id': 'nonsense' },
      body: JSON.stringify({ query, variables: { after } }),
      signal: leave.signal,
    })
    const reader = posted.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('"ann"')) text += (await reader?.read())?.value ?? ''
    expect(text).not.toMatch(/^id:|errors/m)
    leave.abort()
    await reader?.cancel().catch(() => undefined)
  })
})
