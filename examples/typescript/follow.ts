// Follows all checkpoints: tells those that are there, then each change. Continues after the last one that it handled:
//   WAYMARK_KEY=... node follow.ts [file that keeps the cursor]
import { readFile, writeFile } from 'node:fs/promises'
import { Waymark } from 'waymark-client'

const [file = 'cursor.txt'] = process.argv.slice(2)
const after = await readFile(file, 'utf8').catch(() => undefined)

function handle({ userId, stream, version, lastItemId }: Handled): void {
  process.stdout.write(`${userId} ${stream} ${version} ${lastItemId ?? 'none'}\n`)
}
type Handled = { userId: string; stream: string; version: number; lastItemId: string | null }

for await (const event of new Waymark().follow('checkpoints', { after })) {
  if (event.type === 'row') handle(event.row)
  if (event.type === 'change') handle(event.change)
  // First handle an event, then keep its cursor.
  if (event.type === 'listed' || event.type === 'change') await writeFile(file, event.cursor)
}
