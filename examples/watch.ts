// Follows all checkpoints: lists them, then watches each change. Continues after the last change that it handled:
//   node watch.js [URL of Waymark] [file that keeps the cursor]
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'graphql-sse'

const [url = 'http://127.0.0.1:4000/graphql', file = 'cursor.txt'] = process.argv.slice(2)
const client = createClient({ url, retryAttempts: 0 })
const fields = 'userId stream version lastItemId'
const changes = `subscription ($after: String) { told: checkpointChanged(after: $after) { cursor ${fields} } }`

let after = await readFile(file, 'utf8').catch(() => '')
while (await sleep(1_000, true)) {
  try {
    after ||= await readList()
    const request = { query: changes, variables: { after } }
    for await (const { data, errors } of client.iterate<{ told: Checkpoint & { cursor: string } }>(request)) {
      if (errors?.[0]?.extensions['code'] === 'CURSOR_EXPIRED') after = ''
      if (!data) throw new Error(errors?.[0]?.message)
      handle(data.told)
      await writeFile(file, (after = data.told.cursor))
    }
  } catch (error) {
    process.stderr.write(`${String(error)}\n`)
  }
}

/** Handles every checkpoint, page by page. @returns the first page's feed cursor: later changes come after it */
async function readList(endCursor: string | null = null): Promise<string> {
  const query = `query ($endCursor: String) { page: checkpoints(first: 100, after: $endCursor) {
    feedCursor pageInfo { hasNextPage endCursor } nodes { ${fields} } } }`
  for await (const { data } of client.iterate<{ page: Page }>({ query, variables: { endCursor } })) {
    if (!data) break
    data.page.nodes.forEach(handle)
    if (data.page.pageInfo.hasNextPage) await readList(data.page.pageInfo.endCursor)
    return data.page.feedCursor
  }
  throw new Error('the list could not be read')
}

type Checkpoint = { userId: string; stream: string; version: number; lastItemId: string | null }
type Page = { feedCursor: string; pageInfo: { hasNextPage: boolean; endCursor: string | null }; nodes: Checkpoint[] }

function handle({ userId, stream, version, lastItemId }: Checkpoint): void {
  process.stdout.write(`${userId} ${stream} ${version} ${lastItemId ?? 'none'}\n`)
}
