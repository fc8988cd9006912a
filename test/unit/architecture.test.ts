import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const src = fileURLToPath(new URL('src', root))

/** From the outside in: an import leads to the same folder, or to one further down. A file of src itself stands for itself. */
const RANKS = [
  'main.ts',
  'cli',
  'workers',
  'app.ts',
  'prepare-database.ts',
  'config.ts',
  'misspelt-settings.ts',
  'observability/metrics',
  'observability/tracing',
  'observability',
  'http',
  'http/graphiql',
  'websocket',
  'sse',
  'http/requests',
  'http/answers',
  'operations',
  'operations/plugins',
  'operations/exchange',
  'operations/streams',
  'operations/compiled',
  'operations/documents',
  'operations/results',
  'operations/variables',
  'limits',
  'api',
  'maintenance',
  'crawl/feeds',
  'crawl/lease',
  'crawl/due',
  'crawl/plan',
  'crawl/save',
  'crawl/move',
  'crawl/import',
  'crawl/history',
  'crawl/activity',
  'crawl/pause',
  'crawl/session',
  'crawl/checkpoint',
  'user',
  'access',
  'stream',
  'stream/platforms',
  'graphql',
  'events',
  'database/embedded',
  'database/copy',
  'database/migrations',
  'database',
  'database/connection',
  'concurrency',
  'identity',
  'errors',
  'package-root.ts',
]
const DOMAINS = ['crawl', 'user', 'access', 'stream']

/** The folder of a file, or the file itself where it stands in src. */
const folderOf = (file: string) => (file.includes('/') ? dirname(file) : file)
const topOf = (folder: string) => folder.replace(/\/.*|\.ts$/g, '')
const isOfDomain = (file: string) => DOMAINS.includes(topOf(folderOf(file)))
const nameOf = (file: string) => file.slice(file.lastIndexOf('/') + 1, -'.ts'.length)
const isStore = (file: string) => nameOf(file) === 'store' || nameOf(file).endsWith('-store')

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.includes('generated/'),
)

/** Imports of other files of src, type-only ones too: a type is a dependency. */
function importsOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest)
  const imports: string[] = []
  const visit = (node: ts.Node): void => {
    const specifier =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
          ? node.arguments[0]
          : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
            ? node.argument.literal
            : undefined
    if (specifier && ts.isStringLiteral(specifier) && specifier.text.startsWith('.')) {
      imports.push(normalize(join(dirname(file), specifier.text)))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return imports.filter((imported) => !imported.includes('generated/'))
}

/** What is loaded together with a file: its imports that are neither of types alone nor calls of import(). */
function modulesLoadedWith(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest)
  return source.statements.flatMap((node) =>
    (ts.isImportDeclaration(node) && node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword) ||
    ts.isExportDeclaration(node)
      ? node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)
        ? [node.moduleSpecifier.text]
        : []
      : [],
  )
}

const graph = new Map(files.map((file) => [file, importsOf(file)]))

describe('src', () => {
  it('is read at all', () => {
    expect(files.length).toBeGreaterThan(40)
    expect(graph.get('app.ts')).toContain('api/schema.ts')
  })

  it('has no import that points up', () => {
    const rankOf = (file: string) => RANKS.indexOf(folderOf(file))
    const upward = [...graph].flatMap(([file, imports]) =>
      imports.filter((imported) => rankOf(imported) < rankOf(file)).map((imported) => `${file} -> ${imported}`),
    )
    expect(upward).toEqual([])
  })

  it('ranks each folder, and none that is gone', () => {
    expect([...new Set(files.map(folderOf))].sort()).toEqual(RANKS.toSorted())
  })

  it('has no folder of more than 20 files', () => {
    const sizeOf = (folder: string) => files.filter((file) => folderOf(file) === folder).length
    expect(RANKS.filter((folder) => sizeOf(folder) > 20)).toEqual([])
  })

  it('has the order that README tells', () => {
    const readme = readFileSync(new URL('README.md', root), 'utf8').replace(/\s+/g, ' ')
    const order = [...new Set(RANKS.map(topOf))].map((folder) => `\`${folder}\``).join(', ')
    expect(readme).toContain(`Imports point one way: ${order}.`)
  })

  it('loads what counts and traces only where it is asked for', () => {
    const optional = ['observability/metrics/', 'observability/tracing/']
    const loadedAnyway = files
      .filter((file) => !optional.some((folder) => file.startsWith(folder)))
      .filter((file) =>
        modulesLoadedWith(file).some((name) => /\/metrics\/|\/tracing\/|^prom-client|^@opentelemetry/.test(name)),
      )
    expect(loadedAnyway).toEqual([])
  })

  it('loads neither the server nor a package before a command needs it', () => {
    const loaded = new Set(['main.ts', 'cli/cli.ts'])
    const packages: string[] = []
    for (const file of loaded) {
      for (const name of modulesLoadedWith(file)) {
        if (name.startsWith('.')) loaded.add(normalize(join(dirname(file), name)))
        else if (!name.startsWith('node:')) packages.push(`${file} -> ${name}`)
      }
    }
    expect(packages).toEqual([])
    expect([...loaded].filter((file) => !/^(main\.ts$|cli\/|errors\/|workers\/messages)/.test(file))).toEqual([])
  })

  it('lets the crawl import every other domain, users import streams, and no other domain import one', () => {
    const allowed: Record<string, readonly string[]> = { access: [], stream: [], user: ['stream'] }
    const wrong = [...graph].flatMap(([file, imports]) => {
      const domain = topOf(folderOf(file))
      const others = DOMAINS.filter((other) => other !== domain && !allowed[domain]?.includes(other))
      return domain in allowed
        ? imports.filter((imported) => others.includes(topOf(imported))).map((imported) => `${file} -> ${imported}`)
        : []
    })
    expect(wrong).toEqual([])
  })

  it('knows GraphQL in the files of a domain that are named so, and in no other', () => {
    const isGraphql = (file: string) => isOfDomain(file) && nameOf(file).startsWith('graphql')
    const wrong = [...graph]
      .filter(([file]) => isOfDomain(file) && !isGraphql(file))
      .flatMap(([file, imports]) =>
        imports
          .filter((imported) => folderOf(imported) === 'graphql' || isGraphql(imported))
          .map((imported) => `${file} -> ${imported}`),
      )
    expect(wrong).toEqual([])
  })

  it('has stores that call no use case, and models that reach no database', () => {
    const reachesDatabase = (file: string): boolean =>
      isStore(file) || file === 'database/database.ts' || (graph.get(file) ?? []).some(reachesDatabase)
    const wrong = [...graph]
      .filter(([file]) => isOfDomain(file) && (isStore(file) || nameOf(file) === 'model'))
      .flatMap(([file, imports]) =>
        imports
          .filter((imported) => (isOfDomain(imported) || nameOf(file) === 'model') && reachesDatabase(imported))
          .filter((imported) => !(isStore(file) && isStore(imported)))
          .map((imported) => `${file} -> ${imported}`),
      )
    expect(wrong).toEqual([])
  })

  it('has no circle', () => {
    const done = new Set<string>()
    const findCircle = (file: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
      if (done.has(file)) return undefined
      for (const imported of graph.get(file) ?? []) {
        const circle = findCircle(imported, [...path, file])
        if (circle) return circle
      }
      done.add(file)
      return undefined
    }
    for (const file of files) expect(findCircle(file, [])?.join(' -> ')).toBeUndefined()
  })

  it('has no barrels and no junk drawers', () => {
    const drawers = files.filter((file) => /(^|\/)(index|utils?|helpers?|types|common|misc|lib)\.ts$/.test(file))
    expect(drawers).toEqual([])
    const barrels = files.filter((file) => {
      const text = readFileSync(join(src, file), 'utf8')
      return /^export \* from/m.test(text)
    })
    expect(barrels).toEqual([])
  })

  it('runs every plugin that is written', () => {
    const plugins = files.filter((file) => /^operations\/plugins\/use-/.test(file))
    expect(plugins).not.toEqual([])
    expect(graph.get('operations/pipeline.ts')).toEqual(expect.arrayContaining(plugins))
  })

  it('imports only files that are there', () => {
    const missing = [...graph].flatMap(([file, imports]) =>
      imports.filter((imported) => !graph.has(imported)).map((imported) => `${file} -> ${relative('.', imported)}`),
    )
    expect(missing).toEqual([])
  })
})
