import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const SOURCES = fileURLToPath(new URL('../../../clients/typescript/src', import.meta.url))

/** The TypeScript client as JavaScript, in a folder of its own: Node 20 runs no TypeScript. */
export class BuiltClient implements AsyncDisposable {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async build(): Promise<BuiltClient> {
    const folder = await mkdtemp(join(tmpdir(), 'waymark-client-'))
    const compilerOptions = {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      rewriteRelativeImportExtensions: true,
    }
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    for (const name of await readdir(SOURCES, { recursive: true })) {
      if (!name.endsWith('.ts')) continue
      const source = await readFile(join(SOURCES, name), 'utf8')
      const target = join(folder, name.replace(/ts$/, 'js'))
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, ts.transpileModule(source, { compilerOptions }).outputText)
    }
    return new BuiltClient(folder)
  }

  get path(): string {
    return join(this.#folder, 'index.js')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}
