import { expect, it } from 'vitest'
import { jobLimits, largestLimits } from '../../../src/core/executor/job-limits.ts'

const settings = {
  jobTimeoutMs: 60_000,
  sandboxTimeoutMs: 10_000,
  sandboxCpuMs: undefined,
  sandboxMemoryBytes: 256,
}

it.each([
  ['the operator sets', {}, {}, { timeoutMs: 60_000, runningMs: 10_000, memoryBytes: 256 }],
  ['the script asks for less', { timeoutMs: 5000 }, {}, { timeoutMs: 5000, runningMs: 5000 }],
  ['the script asks for more', { timeoutMs: 70_000, memoryBytes: 300 }, {}, { memoryBytes: 256 }],
  ['nobody says how much CPU time', {}, {}, { cpuMs: 21_000 }],
  ['the operator sets the CPU time', {}, { sandboxCpuMs: 3000 }, { cpuMs: 3000 }],
  ['the script asks for less', { cpuMs: 2000 }, { sandboxCpuMs: 3000 }, { cpuMs: 2000 }],
  ['the script asks for more', { cpuMs: 4000 }, { sandboxCpuMs: 3000 }, { cpuMs: 3000 }],
  ['more CPU time than it can use', {}, { sandboxCpuMs: 90_000 }, { cpuMs: 21_000 }],
])('has the limits that hold when %s', (_who, declared, set, limits) => {
  expect(jobLimits({ ...settings, ...set }, declared)).toMatchObject(limits)
})

it('tells a pool of at least the CPU time of its largest job', () => {
  const hour = 3_600_000
  expect(largestLimits({ ...settings, sandboxTimeoutMs: hour, jobTimeoutMs: hour }).maxCpuMs).toBe(
    2 * hour + 1000,
  )
  expect(largestLimits({ ...settings, sandboxCpuMs: 1 }).maxCpuMs).toBeGreaterThan(60_000)
})
