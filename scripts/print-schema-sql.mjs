// Writes prisma/schema.sql and prisma/functions/set.json, from a database that it migrates and then drops. Raises the
// number of the function set if a text differs from the one that set.json was written for.
import { run } from './children.mjs'
import { prepare } from './prepare.mjs'

await prepare()
await run('vitest', [
  'run',
  '--config',
  'test/vitest.config.ts',
  'test/integration/database/schema-file.test.ts',
  '--update',
])
