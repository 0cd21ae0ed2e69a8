import { describe, expect, it } from 'vitest'
import { progressText } from '../../../src/cli/progress-line.ts'

const mega = 1024 * 1024

describe('the line of progress', () => {
  it('tells bytes, rows, rate and time left', () => {
    const progress = {
      phase: 'postgres',
      doneBytes: 512 * mega,
      totalBytes: 1024 * mega,
      rows: 800,
    } as const
    expect(progressText(progress, 2000)).toBe(
      'postgres: 512 MB of about 1.0 GB, 800 rows, 256 MB/s, 2.0 s left',
    )
  })

  it('tells the same of a restore, and how many indexes are made', () => {
    const loading = { phase: 'loading', doneBytes: mega, totalBytes: 2 * mega, rows: 7 } as const
    expect(progressText(loading, 1000)).toBe(
      'loading: 1.0 MB of about 2.0 MB, 7 rows, 1.0 MB/s, 1.0 s left',
    )
    expect(progressText({ phase: 'checking', doneBytes: mega, totalBytes: null }, 1000)).toBe(
      'checking: 1.0 MB, 1.0 MB/s',
    )
    expect(progressText({ phase: 'indexing', done: 3, total: 9 }, 1000)).toBe('indexing: 3 of 9')
    expect(progressText({ phase: 'exchanging' }, 1000)).toBe('putting the tables into place')
  })

  it('tells no time left where the total is unknown, or was an estimate too low', () => {
    expect(progressText({ phase: 'dump', doneBytes: mega, totalBytes: null, rows: 0 }, 1000)).toBe(
      'dump: 1.0 MB, 1.0 MB/s',
    )
    expect(
      progressText({ phase: 'verify', doneBytes: 2 * mega, totalBytes: mega, rows: 0 }, 1000),
    ).toBe('verify: 2.0 MB of about 2.0 MB, 2.0 MB/s')
  })
})
