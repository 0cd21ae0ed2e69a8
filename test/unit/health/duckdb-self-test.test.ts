import { expect, it } from 'vitest'
import { attemptOf } from '../../../src/core/health/sandbox/duckdb-self-test.ts'

const { signal } = new AbortController()
const failing = (message: string) => Promise.reject(new Error(message))

it('takes only the refusal itself for one', async () => {
  const denied = failing('Permission Error: Cannot access file "s"')
  expect(await attemptOf(denied, 'fileRead', signal)).toEqual({ ended: 'refused' })
  const tooMuch = failing('Out of Memory Error: Failed to allocate block of 2147483648 bytes')
  expect(await attemptOf(tooMuch, 'allocation', signal)).toEqual({ ended: 'refused' })
  expect(await attemptOf(Promise.resolve('2'), 'allocation', signal)).toEqual({ ended: 'done' })
  for (const message of ['IO Error: No files found', 'the DuckDB process ended (SIGKILL)']) {
    expect(await attemptOf(failing(message), 'fileRead', signal)).toEqual({
      ended: 'otherwise',
      message,
    })
  }
})

it('knows nothing when the time was over', async () => {
  const over = AbortSignal.abort(new Error('late'))
  await expect(attemptOf(failing('late'), 'fileRead', over)).rejects.toThrow('late')
})
