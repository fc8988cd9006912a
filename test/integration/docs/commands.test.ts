import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codeBlocks, readDocument, root } from './markdown.ts'

const commands = codeBlocks(await readDocument('README.md'))
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.split('\n'))
const { scripts } = JSON.parse(await readDocument('package.json')) as { scripts: Record<string, string> }

describe('the commands that README names', () => {
  it('are two for a newcomer: start and test', () => {
    expect(commands).toEqual(expect.arrayContaining(['npm start', 'npm test']))
  })

  it.each(['start', 'test'])('need nothing that npm would have to install first: %s', async (name) => {
    const [, script = ''] = /^exec node (\S+)/.exec(scripts[name] ?? '') ?? []
    await access(join(root, script))
    const imported = [...(await readDocument(script)).matchAll(/from '([^']+)'/g)].map(([, from]) => from)
    expect(imported.filter((from) => from?.startsWith('node:') !== true && from?.startsWith('./') !== true)).toEqual([])
  })

  it('are what continuous integration runs: the test command and nothing else, with what Debian has for some of its tests if that can be had', async () => {
    const script = (await readDocument('.ci/run')).replace(
      /^if command -v apt-get .*? install chromium buildah postgresql-15 pgbouncer$.*?^fi$/ms,
      '<packages>',
    )
    const lines = script.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines).toEqual([
      'set -euo pipefail',
      'cd "$(dirname "${BASH_SOURCE[0]}")/.."',
      '<packages>',
      'exec npm test',
    ])
  })
})
