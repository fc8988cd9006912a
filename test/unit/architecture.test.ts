import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))
const DOMAINS = ['access', 'checkpoint', 'session', 'stream', 'user']
/** Files of a domain that hold one use case, or what runs by itself, beside its service. */
const USE_CASES = [
  ...['activity', 'prune', 'reaper', 'retention'],
  ...['authenticate', 'credential-watch', 'jwks', 'jwt', 'key-check', 'keys'],
]

/** From the outside in; an import goes from a lower number to an equal or a higher one. */
const LAYERS = {
  main: 0,
  cli: 1,
  app: 2,
  metrics: 2.5,
  tracing: 2.5,
  http: 3,
  api: 4,
  'domain graphql': 5,
  graphql: 6,
  service: 8,
  loaders: 8,
  feed: 8,
  store: 9,
  events: 9,
  database: 10,
  model: 11,
  leaf: 12,
}
type Layer = keyof typeof LAYERS

function layerOf(file: string): Layer {
  const folder = file.includes('/') ? dirname(file) : ''
  const name = file.slice(file.lastIndexOf('/') + 1, -'.ts'.length)
  if (folder === '') {
    if (name === 'main' || name === 'cli' || name === 'app') return name
    // Seeding drives the stores, like the CLI that runs it drives the app; the log is the process'.
    if (name === 'seed' || name === 'log') return 'app'
    return 'leaf'
  }
  if (DOMAINS.includes(folder)) {
    if (name.startsWith('graphql')) return 'domain graphql'
    if (name.startsWith('cli-')) return 'cli'
    if (name === 'service' || name === 'loaders' || name === 'feed') return name
    // Use cases that outgrew service.ts, and what runs in the background.
    if (name.endsWith('-service') || USE_CASES.includes(name)) return 'service'
    if (name === 'store' || name.endsWith('-store')) return 'store'
    // model.ts and the pure files beside it: rows, platforms, ID rules.
    return 'model'
  }
  if (folder === 'api' || folder === 'graphql') return folder
  const top = folder.split('/')[0]
  if (top === 'metrics' || top === 'tracing' || top === 'http' || top === 'events' || top === 'database') return top
  throw new Error(`${file} is in no layer: put it where it belongs, or give its folder a layer here`)
}

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

const graph = new Map(files.map((file) => [file, importsOf(file)]))

describe('src', () => {
  it('is read at all', () => {
    expect(files.length).toBeGreaterThan(40)
    expect(graph.get('app.ts')).toContain('api/schema.ts')
  })

  it('has no import that points up', () => {
    const upward = [...graph].flatMap(([file, imports]) =>
      imports
        .filter((imported) => LAYERS[layerOf(imported)] < LAYERS[layerOf(file)])
        .map((imported) => `${file} (${layerOf(file)}) -> ${imported} (${layerOf(imported)})`),
    )
    expect(upward).toEqual([])
  })

  it('loads what counts and traces only where it is asked for', () => {
    const optional = ['metrics/', 'tracing/']
    const loadedAnyway = files
      .filter((file) => !optional.some((folder) => file.startsWith(folder)))
      .filter((file) => {
        const source = ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest)
        return source.statements.some(
          (node) =>
            ts.isImportDeclaration(node) &&
            node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword &&
            ts.isStringLiteral(node.moduleSpecifier) &&
            /\/metrics\/|\/tracing\/|^prom-client|^@opentelemetry/.test(node.moduleSpecifier.text),
        )
      })
    expect(loadedAnyway).toEqual([])
  })

  it('has a kit that knows no domain, and streams and users that know no crawl', () => {
    const allowed: Record<string, readonly string[]> = { graphql: [], access: [], stream: [], user: ['stream'] }
    const wrong = [...graph].flatMap(([file, imports]) => {
      const folder = dirname(file)
      const others = DOMAINS.filter((domain) => domain !== folder && !allowed[folder]?.includes(domain))
      return folder in allowed
        ? imports.filter((imported) => others.includes(dirname(imported))).map((imported) => `${file} -> ${imported}`)
        : []
    })
    expect(wrong).toEqual([])
  })

  it('has models that import nothing but models and leaves', () => {
    const wrong = [...graph]
      .filter(([file]) => layerOf(file) === 'model')
      .flatMap(([file, imports]) =>
        imports
          .filter((imported) => !['model', 'leaf'].includes(layerOf(imported)))
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

  it('imports only files that are there', () => {
    const missing = [...graph].flatMap(([file, imports]) =>
      imports.filter((imported) => !graph.has(imported)).map((imported) => `${file} -> ${relative('.', imported)}`),
    )
    expect(missing).toEqual([])
  })
})
