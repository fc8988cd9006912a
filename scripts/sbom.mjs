// Prints what the server is delivered with as CycloneDX JSON: node scripts/sbom.mjs [--omit=optional] > sbom.cdx.json
// That is what the bundle holds (dist/packages.json, so build first) with all that it depends on, and the embedded
// PostgreSQL, unless --omit=optional leaves that out. It needs no network: npm finds everything in package-lock.json.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './children.mjs'

const omitsOptional = process.argv.includes('--omit=optional')
const { name, version, license, dependencies, devDependencies, overrides } = readJson('package.json')
const bundled = readJson('dist/packages.json').filter((one) => one in devDependencies)
const delivered = {
  ...Object.fromEntries(bundled.map((one) => [one, devDependencies[one]])),
  ...(omitsOptional ? {} : dependencies),
}

const folder = mkdtempSync(join(tmpdir(), 'waymark-sbom-'))
try {
  // npm takes the product's name from the name of its folder.
  const product = join(folder, name)
  mkdirSync(product)
  const manifest = { name, version, license, dependencies: delivered, overrides }
  writeFileSync(join(product, 'package.json'), JSON.stringify(manifest))
  cpSync(join(root, 'package-lock.json'), join(product, 'package-lock.json'))
  // Takes everything else out of the lock file.
  npm(product, ['install', '--package-lock-only', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'], 'ignore')
  npm(product, ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application', '--offline'])
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function npm(cwd, args, stdout = 'inherit') {
  const { status, error } = spawnSync('npm', args, {
    cwd,
    stdio: ['ignore', stdout, 'inherit'],
    shell: process.platform === 'win32',
  })
  if (error) throw error
  if (status !== 0) process.exitCode = status ?? 1
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}
