import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { type Attack, overEachWay } from '../attack.ts'
import { rounds } from '../rounds.ts'

const ROUNDS = rounds(150, 8)

export const attack: Attack = {
  title: 'clears, each followed by two saves and two rollbacks at once',
  ways: overEachWay(async (ask, { url, insider: authorization }) => {
    const userId = randomUUID()
    const mutate = async (field: string, input: string) => {
      const query = `mutation { told: ${field}(input: { userId: "${userId}" ${input} }) { __typename } }`
      const { data, errors } = await ask(url, query, undefined, { authorization })
      return errors ?? data?.['told']
    }
    const save = (itemId: number) => mutate('saveCheckpoint', `itemId: "${itemId}"`)
    const rollBack = () => mutate('rollbackCheckpoint', 'stream: "twitter/bookmarks", toVersion: 1')
    await mutate('registerUser', '')
    await save(1)
    for (let round = 0; round < ROUNDS; round += 1) {
      await mutate('clearCheckpoint', '')
      const told = await Promise.all([save(2), save(3), rollBack(), rollBack()])
      const saved = { __typename: 'SaveCheckpointSuccess' }
      const rolledBack = { __typename: 'RollbackCheckpointSuccess' }
      expect(told).toEqual([saved, saved, rolledBack, rolledBack])
    }
  }),
}
