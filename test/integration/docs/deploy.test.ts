import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { root } from './markdown.ts'

const run = promisify(execFile)
const hasProgram = (name: string, option: string) => spawnSync(name, [option]).status === 0
const needs = (name: string, isThere: boolean) => (isThere ? '' : ` (needs ${name})`)

const hasCompose = hasProgram('docker-compose', 'version')
describe.skipIf(!hasCompose)(`deploy/compose.yaml${needs('docker-compose', hasCompose)}`, () => {
  const config = (settings: Record<string, string>) =>
    run('docker-compose', ['-f', join(root, 'deploy/compose.yaml'), 'config'], {
      env: { PATH: process.env['PATH'] ?? '', ...settings },
    })

  it('is valid, and gives both services the password of the environment', async () => {
    const { stdout } = await config({ POSTGRES_PASSWORD: 'from-outside', WAYMARK_PORT: '4321' })
    expect(stdout).toContain('POSTGRES_PASSWORD: from-outside')
    expect(stdout).toContain('DATABASE_URL: postgresql://waymark:from-outside@database:5432/waymark')
    expect(stdout).toContain('127.0.0.1:4321:4000')
    expect(stdout).toContain('condition: service_healthy')
  })

  it('holds no password of its own: without one it says what to set', async () => {
    await expect(config({})).rejects.toThrow(/set POSTGRES_PASSWORD to a secret/)
  })
})

const hasSystemd = hasProgram('systemd-analyze', '--version')
describe.skipIf(!hasSystemd)(`deploy/waymark.service${needs('systemd-analyze', hasSystemd)}`, () => {
  const unit = join(root, 'deploy/waymark.service')

  it('is a unit that systemd can read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'waymark-unit-'))
    try {
      // systemd looks for the program, which is not installed here.
      const text = (await readFile(unit, 'utf8')).replace('/usr/local/bin/waymark', process.execPath)
      await writeFile(join(folder, 'waymark.service'), text)
      const { stderr } = await run('systemd-analyze', ['verify', '--man=no', join(folder, 'waymark.service')])
      expect(stderr.split('\n').filter((line) => line.includes('waymark.service'))).toEqual([])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('leaves the service little to break: an exposure of 2 or less, of 10', async () => {
    const { stdout } = await run('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit])
    expect(stdout).toMatch(/Overall exposure level for waymark\.service: [01]\.\d OK/)
  })
})
