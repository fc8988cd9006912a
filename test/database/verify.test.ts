import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { describe, expect, it } from 'vitest'
import { readCatalog } from '../../src/database/catalog.ts'
import { createTestDatabase, withClient } from '../support/database.ts'

const expectedSchemaFile = fileURLToPath(new URL('../../src/database/expected-schema.ts', import.meta.url))

describe('the expected schema', () => {
  it('is what the migrations make (after a change: npx vitest run --config test/vitest.config.ts test/database/verify.test.ts -u)', async () => {
    await using database = await createTestDatabase()
    const objects = (await withClient(database.url, readCatalog)).map(({ kind, table, name, definition }) => ({
      kind,
      table,
      name,
      definition,
    }))
    const source = `// What the migrations make, as catalog.ts reads it back. Printed by test/database/verify.test.ts: don't edit.
      import type { SchemaObject } from './catalog.ts'

      export const expectedSchema: readonly SchemaObject[] = ${JSON.stringify(objects)}`
    const options = await resolveConfig(expectedSchemaFile)
    await expect(await format(source, { ...options, filepath: expectedSchemaFile })).toMatchFileSnapshot(
      expectedSchemaFile,
    )
  })
})
