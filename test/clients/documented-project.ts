import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { codeBlocks, readDocument, root } from '../integration/docs/markdown.ts'

/** The address that docs/clients.md uses. The tests put their server's in its place, and change nothing else. */
const DOCUMENTED = '127.0.0.1:4000'
const LANGUAGES = ['ts', 'js', 'json']

export const guide = await readDocument('docs/clients.md')

/** The files that docs/clients.md shows: a code block's name is the name to save it under. */
export const documentedFiles = codeBlocks(guide).filter(({ language }) => LANGUAGES.includes(language))

/** A program's exit code and its output, standard error included. */
export interface ProgramResult {
  readonly code: number
  readonly output: string
}

/**
 * The project of somebody who follows docs/clients.md: a folder with its files, schema.graphql and the packages.
 * Dispose it to delete the folder.
 */
export class DocumentedProject implements AsyncDisposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<DocumentedProject> {
    const project = new DocumentedProject(await mkdtemp(join(tmpdir(), 'waymark-clients-')))
    await symlink(join(root, 'node_modules'), join(project.folder, 'node_modules'), 'dir')
    await cp(join(root, 'schema.graphql'), join(project.folder, 'schema.graphql'))
    await project.write('package.json', '{ "type": "module" }')
    await project.use(`http://${DOCUMENTED}/graphql`)
    return project
  }

  /** Writes the page's files. @param url of the server that they are to use */
  async use(url: string): Promise<void> {
    for (const { name, text } of documentedFiles) {
      await this.write(name, `${text.replaceAll(DOCUMENTED, new URL(url).host)}\n`)
    }
  }

  /** Writes a file, its folders too. @param name below the project's folder */
  async write(name: string, text: string): Promise<void> {
    const path = join(this.folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }

  read(name: string): Promise<string> {
    return readFile(join(this.folder, name), 'utf8')
  }

  /** What a module of the project exports. The caller says of what types that is. */
  async load<Exports>(name: string): Promise<Exports> {
    return (await import(/* @vite-ignore */ join(this.folder, name))) as Exports
  }

  /** Runs a program of the packages, as `npx` does. */
  run(program: string, ...args: string[]): Promise<ProgramResult> {
    return this.node(join('node_modules', '.bin', program), ...args)
  }

  /** Runs a JavaScript file of the project. */
  async node(...args: string[]): Promise<ProgramResult> {
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: this.folder })
      return { code: 0, output: stdout + stderr }
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string }
      return { code: code ?? 1, output: stdout + stderr }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}
