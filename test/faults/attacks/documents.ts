import { expect } from 'vitest'
import { ENDLESS, LARGE, LONG } from '../../support/hostile-documents.ts'
import { type Attack, overEachWay } from '../attack.ts'
import { isFull, rounds } from '../rounds.ts'

const ROUNDS = rounds(20, 1)
const DISTINCT = rounds(2_000, 15)

/** Without those that would stay open. */
const all = Object.values({ ...ENDLESS, ...LONG, ...LARGE }).filter((text) => !text.startsWith('subscription'))
/** test/integration/http/hostile-documents.test.ts sends all of them each time. */
const documents = isFull ? all : Object.values(ENDLESS).slice(0, 2).concat(Object.values(LARGE).slice(0, 3))

/** A valid document of 950 fields that no other is like: what is kept of it is bounded by its bytes. */
const distinct = (place: number) => `query Q${place} { viewer { ${'subject scopes userIds expiresAt '.repeat(150)} } }`

export const attack: Attack = {
  title: 'documents whose fragments spread each other twice, with many lines, or all different',
  ways: overEachWay(async (ask, { url, scopeless }) => {
    const send = async (query: string) => {
      const { data, errors = [] } = await ask(url, query, undefined, { authorization: scopeless })
      expect(errors.length).toBeLessThanOrEqual(51)
      expect(data != null || errors.length > 0).toBe(true)
    }
    for (let round = 0; round < ROUNDS; round += 1) for (const text of documents) await send(text)
    for (let place = 0; place < DISTINCT; place += 1) await send(distinct(place))
  }),
}
