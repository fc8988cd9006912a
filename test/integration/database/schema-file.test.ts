import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readCatalog } from '../../../src/database/migrations/catalog.ts'
import { digestOf, packagedFunctions, readFunctions } from '../../../src/database/migrations/function-files.ts'
import { parseSchema, printSchema, schemaFile } from '../../../src/database/migrations/schema-file.ts'
import { createTestDatabase, withClient } from '../../support/database.ts'

const setFile = join(packagedFunctions, 'set.json')

async function readSchema() {
  await using database = await createTestDatabase()
  const objects = await withClient(database.url, readCatalog)
  return objects.map(({ kind, table, name, definition }) => ({ kind, table, name, definition }))
}

it('prisma/schema.sql is what the migrations and functions make (after a change: npm run schema:sql)', async () => {
  const objects = await readSchema()
  const text = printSchema(objects)
  await expect(text).toMatchFileSnapshot(schemaFile)
  expect(parseSchema(text)).toEqual(objects)
})

it('prisma/functions/set.json has a number of its own for each state of the functions (after a change: npm run schema:sql)', async () => {
  const recorded = JSON.parse(await readFile(setFile, 'utf8')) as { number: number; sha256: string }
  const sha256 = digestOf(await readFunctions())
  const number = recorded.number + (recorded.sha256 === sha256 || recorded.sha256 === '' ? 0 : 1)
  await expect(`${JSON.stringify({ number, sha256 }, null, 2)}\n`).toMatchFileSnapshot(setFile)
})
