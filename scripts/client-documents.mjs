// Writes the TypeScript client's documents with their types, from its .graphql files and schema.graphql:
// npm run client:documents. A test fails when the committed file is stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { generate } from '@graphql-codegen/cli'
import { root } from './children.mjs'

export const documentsFile = join(root, 'clients/typescript/src/generated/documents.ts')

/** @returns the text of the file, as it should be */
export async function clientDocuments() {
  const files = await generate(
    {
      cwd: root,
      schema: 'schema.graphql',
      documents: 'clients/typescript/src/documents/*.graphql',
      generates: { 'gql/': { preset: 'client', presetConfig: { fragmentMasking: false } } },
      config: {
        documentMode: 'string',
        scalars: { DateTime: 'string', ID: 'string' },
        useTypeImports: true,
        immutableTypes: true,
        futureProofEnums: true,
      },
      silent: true,
    },
    false,
  )
  const { content } = files.find(({ filename }) => filename.endsWith('graphql.ts'))
  return (
    `// Written by npm run client:documents: do not edit.\n${content}`
      // The package has no dependency, not even on types.
      .replace(
        /^import .*@graphql-typed-document-node\/core.*$/m,
        "import type { DocumentTypeDecoration } from '../typed-document.ts'",
      )
      // A value that this version does not know stays the text that it is.
      .replaceAll("'%future added value'", '(string & {})')
      // Only operations are sent; each holds the text of its fragments.
      .replace(/^export const \w+FragmentDoc = [\s\S]*?;$(?=\n)/gm, '')
      .replace(/= new TypedDocumentString\(/g, '= /* @__PURE__ */ new TypedDocumentString(')
      .replaceAll('/* eslint-disable */\n', '')
      // The text goes over the wire with each request.
      .replace(
        /TypedDocumentString\(`([^`]*)`\)/g,
        (_, text) => `TypedDocumentString(\`${text.replace(/\s+/g, ' ').trim()}\`)`,
      )
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const text = await clientDocuments()
  if (process.argv.includes('--check')) process.exitCode = readFileSync(documentsFile, 'utf8') === text ? 0 : 1
  else writeFileSync(documentsFile, text)
}
