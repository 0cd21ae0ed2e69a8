import path from 'node:path'
import { errorCodeOf, messageOf } from '../../errors/index.ts'
import { type Account, runProgram } from '../../os/index.ts'

/** A folder with `initdb` and `postgres` that run here. */
export interface PostgresBinaries {
  readonly folder: string
  readonly major: string
}

export type Inspection =
  | { readonly binaries: PostgresBinaries }
  /** `closed`: this account may not read them, or libraries are missing; a copy can mend that. */
  | { readonly problem: 'closed' | 'broken'; readonly message: string }

/** What the dynamic loader ends with when a library is missing or closed. */
const loaderFailed = 127

/** Runs `postgres --version` as the account: the only proof that a build suits this machine. */
export async function inspectBinaries(
  folder: string,
  account: Account | undefined,
): Promise<Inspection> {
  try {
    const result = await runProgram(path.join(folder, 'postgres'), ['--version'], {
      account,
      timeoutMs: 10_000,
    })
    const major = /\(PostgreSQL\) (\d+)/.exec(result.stdout)?.[1]
    if (result.exitCode === 0 && major !== undefined) return { binaries: { folder, major } }
    return {
      problem: result.exitCode === loaderFailed ? 'closed' : 'broken',
      message: result.stderr.trim(),
    }
  } catch (error) {
    // ENOENT for a file that is there: its loader is not, as on musl.
    const problem = errorCodeOf(error) === 'EACCES' ? 'closed' : 'broken'
    return { problem, message: messageOf(error) }
  }
}
