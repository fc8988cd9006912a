// What one would write by hand without order, resuming, filters or a schema: on each NOTIFY it reads the newest events
// and writes them to every response.
import { createServer } from 'node:http'
import pg from 'pg'

const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
const readers = new Set()
let last = 0

await client.connect()
client.on('notification', () => void tell())
await client.query('LISTEN waymark_feed')

async function tell() {
  const { rows } = await client.query({
    name: 'events',
    text: `SELECT event_id, kind, occurred_at, session_id, user_id, stream, previous_status, status
      FROM crawler.feed_event WHERE event_id > $1 AND session_id IS NOT NULL ORDER BY event_id`,
    values: [last],
  })
  for (const row of rows) {
    last = Number(row.event_id)
    const event = {
      cursor: Buffer.from(`01a20d2a-28bd-768a-9150-a64947bdaf6b:${row.event_id}`).toString('base64url'),
      kind: row.kind.slice('SESSION_'.length),
      occurredAt: row.occurred_at,
      sessionId: row.session_id,
      userId: row.user_id,
      stream: row.stream,
      previousStatus: row.previous_status?.toUpperCase() ?? null,
      status: row.status.toUpperCase(),
    }
    const text = `event: next\ndata: ${JSON.stringify({ data: { sessionStatusChanged: event } })}\n\n`
    for (const response of readers) response.write(text)
  }
}

const server = createServer((request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(':\n\n')
  readers.add(response)
  response.once('close', () => readers.delete(response))
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`serves http://127.0.0.1:${server.address().port}/\n`))
process.once('SIGTERM', () => process.exit(0))
