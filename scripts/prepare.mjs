// Brings a checkout to where it can run: installs, generates and builds only what is missing or older than its source.
// Plain JavaScript without dependencies, because on a fresh clone there are none yet.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const binaries = join(root, 'node_modules', '.bin')

/** Remembers, in a file below node_modules or dist, from which content a step was done last. */
function isDone(stampFile, content) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === content
}

function markDone(stampFile, content) {
  mkdirSync(dirname(stampFile), { recursive: true })
  writeFileSync(stampFile, content)
}

function hashOf(files) {
  const hash = createHash('sha256').update(process.version)
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0')
  return hash.digest('hex')
}

function sourcesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('generated'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

export function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}`, ...env },
  })
  if (result.error) throw result.error
  if (result.status !== 0) {
    process.stderr.write(`waymark: "${command} ${args.join(' ')}" failed: see above\n`)
    process.exit(1)
  }
}

export function install() {
  const content = hashOf(['package-lock.json'])
  const stamp = join(root, 'node_modules', '.waymark-installed')
  if (isDone(stamp, content)) return
  process.stderr.write('waymark: installing dependencies (once)\n')
  run('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'])
  markDone(stamp, content)
}

export function generate() {
  const content = hashOf(['package-lock.json', 'prisma/schema.prisma'])
  const stamp = join(root, 'node_modules', '.waymark-generated')
  if (isDone(stamp, content) && existsSync(join(root, 'src/database/generated/client.ts'))) return
  // Any file that exists keeps Prisma from downloading its schema engine, which generate does not need.
  run('prisma', ['generate', '--schema', 'prisma/schema.prisma', '--no-hints'], {
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  })
  markDone(stamp, content)
}

export function build() {
  const content = hashOf([
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'prisma/schema.prisma',
    ...sourcesBelow('src'),
  ])
  const stamp = join(root, 'dist', '.waymark-built')
  if (isDone(stamp, content)) return
  process.stderr.write('waymark: building\n')
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  run('tsc', ['-p', 'tsconfig.build.json'])
  markDone(stamp, content)
}
