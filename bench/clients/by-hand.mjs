// What somebody writes who does without a client: no retries, no heartbeats, no refused tokens.
import { randomUUID } from 'node:crypto'

const START = `mutation ($input: StartSessionInput!) { result: startSession(input: $input) {
  ... on StartSessionSuccess { session { sessionId } plan { pageToken } } } }`
const SAVE = `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) {
  ... on SaveCheckpointSuccess { stopRequested } } }`
const COMPLETE = `mutation ($input: CompleteSessionInput!) { result: completeSession(input: $input) { __typename } }`

export async function crawlByHand(url, { userId, stream, fetchPage }) {
  async function send(query, input) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { input } }),
    })
    const { data, errors } = await response.json()
    if (errors) throw new Error(errors[0].message)
    return data.result
  }
  const { session, plan } = await send(START, { userId, stream })
  const { sessionId } = session
  let pageToken = plan.pageToken
  for (let isFirst = true; ; isFirst = false) {
    const { items, nextToken } = fetchPage({ pageToken })
    const save = { itemId: items.at(-1), pageToken: nextToken, bookmarksAdded: items.length }
    const headItemIds = isFirst ? items : null
    await send(SAVE, { userId, stream, sessionId, ...save, headItemIds, idempotencyKey: randomUUID() })
    if (nextToken === null) break
    pageToken = nextToken
  }
  await send(COMPLETE, { sessionId })
  return { outcome: 'completed' }
}
