// Packs the server as npm installs it: npm run package [-- <folder>]. Prints the path of waymark-<version>.tgz.
// The package holds the bundle, and depends on nothing but the embedded PostgreSQL. Its npm-shrinkwrap.json has what
// package-lock.json says of that. It is packed from a folder of its own: npm would use an npm-shrinkwrap.json in a
// checkout instead of package-lock.json.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { root } from './children.mjs'
import { prepare } from './prepare.mjs'

const destination = resolve(process.argv[2] ?? '.')
await prepare()
const { scripts: _s, devDependencies: _d, overrides: _o, prettier: _p, ...manifest } = readJson('package.json')
const folder = mkdtempSync(join(tmpdir(), 'waymark-package-'))
try {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  const delivered = manifest.files.filter((file) => !/^!|^npm-shrinkwrap/.test(file))
  for (const file of [...delivered, 'package-lock.json', 'README.md', 'LICENSE'])
    cpSync(join(root, file), join(folder, file), { recursive: true })
  // Takes out of the lock file what only a checkout has.
  npm(['install', '--package-lock-only', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'])
  renameSync(join(folder, 'package-lock.json'), join(folder, 'npm-shrinkwrap.json'))
  const [packed] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', destination]))
  process.stdout.write(`${join(destination, packed.filename)}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function npm(args) {
  const options = { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }
  const { status, stdout, error } = spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  if (error) throw error
  if (status !== 0) throw new Error(`npm ${args[0]} failed with exit code ${status}; it says why above`)
  return stdout
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}
