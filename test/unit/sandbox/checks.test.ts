import { describe, expect, it } from 'vitest'
import {
  BrokenFrameError,
  checkCall,
  checkFailure,
  checkInspection,
  checkLog,
  checkProgress,
  toHostCallFailure,
} from '../../../src/core/sandbox/check-frame.ts'
import { LogMeter } from '../../../src/core/sandbox/log-meter.ts'

const line = (message: string) => ({ level: 'info', message }) as const

describe('checks of what a sandbox sends', () => {
  it('takes known operations with whatever arguments', () => {
    expect(checkCall('duckdb.query\n{"sql":"a\\nb"}\n')).toEqual({
      operation: 'duckdb.query',
      argumentsText: '{"sql":"a\\nb"}\n',
    })
    for (const text of ['', '\n', 'toString\n{}', 'duckdb.query']) {
      expect(() => checkCall(text)).toThrow(BrokenFrameError)
    }
  })

  it('takes levels and texts', () => {
    expect(checkLog('[[0,"a"],[3,"b\\u0000"]]')).toEqual([
      { level: 'debug', message: 'a' },
      { level: 'error', message: 'b\u2400' },
    ])
    for (const text of ['', 'null', '[1]', '[[4,"a"]]', '[[1,2]]', '[["length","a"]]']) {
      expect(() => checkLog(text)).toThrow(BrokenFrameError)
    }
  })

  it('takes fractions', () => {
    expect(checkProgress('[0.5,"half"]')).toEqual([0.5, 'half'])
    expect(checkProgress('[1,null]')).toEqual([1, null])
    for (const text of ['[-1]', '["1"]', '[null]', '{}', 'x']) {
      expect(() => checkProgress(text)).toThrow(BrokenFrameError)
    }
  })

  it('takes error codes of its own and of calls that failed', () => {
    const failure = (code: string) => checkFailure(JSON.stringify({ code }), new Set(['mine'])).code
    expect([failure('timeout'), failure('mine'), failure('other')]).toEqual([
      'timeout',
      'mine',
      'script_error',
    ])
  })

  it('takes an inspection of the known shape', () => {
    const text =
      '{"form":"function","language":"typescript","declared":{"__proto__":{"x":1}},"more":1}'
    expect(Object.keys(checkInspection(text))).toEqual(['form', 'language', 'declared'])
    for (const other of ['{}', '{"form":"object","language":"javascript","declared":[]}', 'null']) {
      expect(() => checkInspection(other)).toThrow(BrokenFrameError)
    }
  })
})

it('makes a host call failure of whatever was thrown', () => {
  expect(toHostCallFailure({ code: 'a', message: 'b' })).toEqual({ code: 'a', message: 'b' })
  expect(toHostCallFailure(undefined)).toEqual({ code: 'host_error', message: 'the call failed' })
  expect(toHostCallFailure({ code: 5, message: {} })).toEqual({
    code: 'host_error',
    message: 'the call failed',
  })
})

it('meters lines and bytes of a log', () => {
  const meter = new LogMeter({ logLines: 2, logBytes: 10 })
  expect(meter.admit([line('a'), line('b'), line('c'), line('d')])).toHaveLength(3)
  const bytes = new LogMeter({ logLines: 100, logBytes: 1000 })
  expect(bytes.admit([line('é'.repeat(1000)), line('é'.repeat(100))])).toHaveLength(1)
})
