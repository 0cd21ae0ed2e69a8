import { expect, it } from 'vitest'
import { parsePostmasterFile } from '../../../src/core/database/private-postgres/postmaster-file.ts'

const lines = [
  '17',
  '/data/pgdata',
  '1700000000',
  '5432',
  '/data/run',
  '',
  '  123  456',
  'ready   ',
  '',
]

it('reads where a server listens and whether it is ready', () => {
  expect(parsePostmasterFile(lines.join('\n'))).toMatchObject({
    pid: 17,
    startedAtMs: 1_700_000_000_000,
    socketFolder: '/data/run',
    isReady: true,
  })
})

it('takes a server that has just begun to write for one that is not ready', () => {
  expect(parsePostmasterFile(lines.slice(0, 4).join('\n'))).toMatchObject({
    socketFolder: '',
    isReady: false,
  })
  expect(parsePostmasterFile('')).toMatchObject({ socketFolder: '', isReady: false })
})
