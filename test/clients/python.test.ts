import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findPython, runPython } from '../support/python.ts'
import {
  passesTests,
  python,
  pythonClient,
  pythonMissing,
  pythonTests,
  type PythonWorld,
  startPythonWorld,
} from './python-world.ts'

describe.skipIf(!python)(`the Python client${pythonMissing}`, () => {
  let world: PythonWorld
  beforeAll(async () => {
    world = await startPythonWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  passesTests(pythonTests, () => world)
})

const typeChecker = await findPython('mypy')

describe.skipIf(!typeChecker)(
  `the types of the Python client${typeChecker ? '' : ' (needs Python with mypy: apt-get install python3-mypy)'}`,
  () => {
    it('are complete: mypy --strict finds nothing in it, nor in a program with it', { timeout: 180_000 }, async () => {
      const args = ['-m', 'mypy', '--strict', '--cache-dir=/dev/null', 'src/waymark_client', 'tests/typed_program.py']
      const options = { cwd: pythonClient, env: { MYPYPATH: 'src' }, timeoutMs: 170_000 }
      const { code, output } = await runPython(typeChecker ?? '', args, options)
      expect(code, output).toBe(0)
      expect(output).toContain('no issues found')
    })
  },
)
