import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../../errors/index.ts'
import { fileError } from '../../os/index.ts'

/** What a running server writes into its cluster; it outlives a server that was killed. */
export interface PostmasterFile {
  readonly pid: number
  readonly startedAtMs: number
  /** Empty until the server has opened its socket. */
  readonly socketFolder: string
  readonly isReady: boolean
  readonly text: string
}

export const postmasterFilePath = (pgdata: string): string => path.join(pgdata, 'postmaster.pid')

/** Reads `postmaster.pid`; undefined when there is none, so when nothing runs. */
export async function readPostmasterFile(pgdata: string): Promise<PostmasterFile | undefined> {
  const file = postmasterFilePath(pgdata)
  try {
    return parsePostmasterFile(await readFile(file, 'utf8'))
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw fileError(error, file)
  }
}

/** Lines: pid, data folder, start time, port, socket folder, address, shared memory, status. */
export function parsePostmasterFile(text: string): PostmasterFile {
  const lines = text.split('\n')
  return {
    pid: Number(lines[0]),
    startedAtMs: Number(lines[2]) * 1000,
    socketFolder: lines[4]?.trim() ?? '',
    isReady: lines[7]?.trim() === 'ready',
    text,
  }
}
