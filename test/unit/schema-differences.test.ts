import { describe, expect, it } from 'vitest'
import { compareSchemas } from '../../src/database/migrations/schema-differences.ts'

function functionOf(lines: readonly string[]) {
  return { kind: 'function', table: null, name: 'crawler.example()', definition: lines.join('\n') } as const
}

describe('the diff of a function that differs', () => {
  it('shows each change with three lines around it, and leaves out the lines between', () => {
    const lines = Array.from({ length: 20 }, (_, place) => `line ${place}`)
    const changed = lines.flatMap((line, place) => (place === 4 ? ['another line'] : place === 16 ? [] : [line]))
    const { differences } = compareSchemas([functionOf(lines)], [{ ...functionOf(changed), inForce: true }])
    expect(differences.map(({ hunk }) => hunk)).toEqual([
      [
        '@@ Function crawler.example() @@',
        ...[' line 1', ' line 2', ' line 3', '-line 4', '+another line', ' line 5', ' line 6', ' line 7'],
        ' ...',
        ...[' line 13', ' line 14', ' line 15', '-line 16', ' line 17', ' line 18', ' line 19;'],
      ],
    ])
  })

  it('has no mark for the end of the text where the last line differs', () => {
    const { differences } = compareSchemas([functionOf(['a', 'b'])], [{ ...functionOf(['a', 'c']), inForce: true }])
    expect(differences[0]?.hunk).toEqual([
      '@@ Function crawler.example() @@',
      ' -- crawler.example()',
      ' a',
      '-b;',
      '+c;',
    ])
  })
})
