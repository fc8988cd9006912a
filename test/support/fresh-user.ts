import { afterAll, beforeAll, beforeEach } from 'vitest'
import { mutate, startWaymark, type TestWaymark } from './waymark.ts'

/**
 * One server for the tests of a describe, and before each test a user who was registered for it alone.
 * @param use called with both before each test
 */
export function beforeEachFreshUser(use: (waymark: TestWaymark, userId: string) => void): void {
  let waymark: TestWaymark
  let users = 0
  beforeAll(async () => {
    waymark = await startWaymark()
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(async () => {
    const userId = `user-${(users += 1)}`
    await mutate(waymark, 'registerUser', { userId })
    use(waymark, userId)
  })
}
