import { afterAll, vi } from 'vitest'

// A worker runs many files in one process: no file may find what another one has mocked.
afterAll(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})
