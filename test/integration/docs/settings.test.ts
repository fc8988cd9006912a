import { describe, expect, it } from 'vitest'
import { readConfig } from '../../../src/config.ts'
import { readDocument } from './markdown.ts'

/** An entry of the list: - `NAME` (unit, 1 to 9, default `5`): meaning. */
interface Setting {
  readonly name: string
  readonly unit: string | undefined
  readonly lowest: string | undefined
  readonly highest: string | undefined
  /** undefined: it has none. */
  readonly documented: string | undefined
}

const ENTRY = /^- `([A-Z_]+)` \((?:([a-z]+), )?(?:(\d+) to (\d+), )?(?:default `([^`]+)`|no default)\): ./
const document = await readDocument('docs/settings.md')
const entries = document.split('\n').filter((line) => line.startsWith('- `') && !line.includes('TEST_DATABASE_URL'))
const settings = entries.map((line): Setting => {
  const [, name, unit, lowest, highest, documented] = ENTRY.exec(line) ?? []
  if (name === undefined) throw new Error(`no entry of a setting: ${line}`)
  return { name, unit, lowest, highest, documented }
})

describe('docs/settings.md', () => {
  it('lists every setting with its default', async () => {
    const source = await readDocument('src/config.ts')
    const [schema = ''] = /z\.object\(\{[\s\S]*?^\}\)/m.exec(source) ?? []
    const names = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name = '']) => name)
    expect(settings.map(({ name }) => name).sort()).toEqual(names.sort())

    const defaults = new Map<string, unknown>(Object.entries(readConfig({})))
    for (const { name, unit, documented } of settings) {
      const field = name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      if (name.endsWith('_MS')) expect(unit, name).toBe('ms')
      // Where the server chooses itself.
      if (name === 'DATA_DIR') expect(defaults.get(field), name).toBeUndefined()
      else expect(asSetting(defaults.get(field)), name).toBe(documented)
    }
  })

  it('gives the range of every number', async () => {
    const source = await readDocument('src/config.ts')
    const numbers = [...source.matchAll(/^ {2}([A-Z_]+): wholeNumber\(/gm)].map(([, name = '']) => name)
    const ranges = settings.filter(({ lowest }) => lowest !== undefined)
    expect(ranges.map(({ name }) => name).sort()).toEqual(numbers.sort())
    for (const { name, lowest, highest } of ranges) {
      for (const good of [lowest, highest]) expect(() => readConfig({ [name]: good }), name).not.toThrow()
      for (const bad of [Number(lowest) - 1, Number(highest) + 1])
        expect(() => readConfig({ [name]: String(bad) }), name).toThrow(name)
    }
  })
})

function asSetting(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (Array.isArray(value)) return value.length > 0 ? value.join(',') : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
