import { expect, it } from 'vitest'
import { sandboxesToKeep } from '../../../src/core/executor/sandboxes-to-keep.ts'

const gib = 1024 ** 3

it('keeps as many sandboxes as a tenth of the free memory holds, within bounds', () => {
  expect(sandboxesToKeep(4, 10 * gib)).toBe(32)
  expect(sandboxesToKeep(4, 1000 * gib)).toBe(64)
})

it('keeps one for each job that runs at a time, however little memory is free', () => {
  expect(sandboxesToKeep(10, gib)).toBe(10)
  expect(sandboxesToKeep(100, 1000 * gib)).toBe(100)
})
