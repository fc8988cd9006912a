// Writes prisma/schema.sql and prisma/functions/set.json anew, from a database that it migrates and then drops. The
// number of the set of functions is raised where a text differs from what set.json was written for.
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
