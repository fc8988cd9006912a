import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createTestDatabase } from '../../support/database.ts'
import { runCommand, startServer } from '../../support/server-process.ts'

describe('the key commands', () => {
  // Eight processes: long on a busy machine.
  it(
    'make, list and revoke a key; a server on any address takes it, and nobody else',
    { timeout: 120_000 },
    async () => {
      await using database = await createTestDatabase('empty')
      const env = { DATABASE_URL: database.url }
      const created = await runCommand(
        ['key', 'create', 'crawler-1', '--scopes', 'read,crawl', '--user', 'ada', '--days', '1'],
        env,
      )
      expect(created).toMatchObject({ code: 0, stderr: '' })
      const key = created.stdout.trim()
      expect(key).toMatch(/^wm_[0-9A-Za-z]+_[0-9A-Za-z]{43}$/)
      const keyId = key.split('_')[1] ?? ''
      const listed = await runCommand(['key', 'list'], env)
      expect(listed.stdout).toMatch(
        new RegExp(`^${keyId}  crawler-1  read,crawl  users "ada"  made \\S+, expires \\S+\\n$`),
      )
      expect(listed.stdout).not.toContain(key)

      await using server = await startServer({ ...env, HOST: '0.0.0.0', AUTHENTICATION: 'keys' })
      const ask = async (headers: Record<string, string>) => {
        const body = JSON.stringify({ query: '{ viewer { subject userIds } }' })
        const response = await fetch(server.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body,
        })
        return { status: response.status, body: (await response.json()) as unknown }
      }
      expect(await ask({ authorization: `Bearer ${key}` })).toEqual({
        status: 200,
        body: { data: { viewer: { subject: 'key:crawler-1', userIds: ['ada'] } } },
      })
      expect((await ask({})).status).toBe(401)
      await expect.poll(() => server.lines.filter((line) => line.includes('"subject":"key:crawler-1"')).length).toBe(1)
      expect(server.lines.join('\n')).not.toContain(key)

      expect((await runCommand(['key', 'create', 'crawler-1', '--scopes', 'read'], env)).code).toBe(0)
      const third = await runCommand(['key', 'create', 'crawler-1', '--scopes', 'read'], env)
      expect(third).toMatchObject({ code: 1, stdout: expect.stringContaining('two live keys') as string })
      expect(await runCommand(['key', 'revoke', keyId], env)).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^revoked: .*revoked \S+\n$/) as string,
      })
      expect((await runCommand(['key', 'revoke', 'nothing'], env)).code).toBe(1)
    },
  )

  it('count a key’s days by the database’s clock, whatever the machine’s says', { timeout: 60_000 }, async () => {
    await using database = await createTestDatabase()
    const preload = fileURLToPath(new URL('../../support/skewed-clock.mjs', import.meta.url))
    for (const hours of [-1, 1]) {
      const args = ['key', 'create', `skewed-${hours}`, '--scopes', 'read', '--days', '2']
      const env = { NODE_OPTIONS: `--import=${preload}`, CLOCK_SKEW_MS: String(hours * 3_600_000) }
      expect(await runCommand(args, { DATABASE_URL: database.url, ...env })).toMatchObject({ code: 0, stderr: '' })
    }
    const lives = await database.query<{ hours: number }>(
      `SELECT round(extract(epoch FROM expires_at - created_at) / 3600)::int AS hours FROM crawler.api_key`,
    )
    expect(lives).toEqual([{ hours: 48 }, { hours: 48 }])
  })

  it.each([
    [['key']],
    [['key', 'create', 'x']],
    [['key', 'create', '--scopes', 'read']],
    [['key', 'create', 'x', '--scopes', 'read', '--days', '0']],
    [['key', 'list', 'x']],
    [['key', 'revoke']],
    [['key', 'create', 'x', '--scope', 'read']],
  ])('exit 2 with one line for %j', async (args) => {
    const { code, stderr } = await runCommand(args, { DATABASE_URL: 'postgresql://127.0.0.1:9/none' })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^waymark: [^\n]+\n$/)
  })
})
