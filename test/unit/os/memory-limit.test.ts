import { expect, it } from 'vitest'
import { memoryLimitBytes } from '../../../src/core/os/index.ts'

it('is the limit of a container where there is one, else the memory of the machine', () => {
  expect(memoryLimitBytes(8e9, 2e9)).toBe(2e9)
  expect(memoryLimitBytes(8e9, 0)).toBe(8e9)
  expect(memoryLimitBytes(8e9, 2 ** 64)).toBe(8e9)
})
