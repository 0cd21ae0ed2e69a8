import { access, constants, readdir } from 'node:fs/promises'
import path from 'node:path'
import { programFolders } from '../../config/index.ts'
import type { Context } from '../../context.ts'
import { KilnError } from '../../errors/index.ts'
import { runProgram } from '../../os/index.ts'

/** A program of Postgres' client package. */
export interface DumpTool {
  readonly file: string
  /** `15.18`. */
  readonly version: string
  readonly major: number
}

/** Where packages put the programs of each major version, besides the folders of PATH. */
const versionFolders = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt']

/**
 * The pg_dump or pg_restore for the server: of its major version if there is one, else the next newer. An older one
 * refuses, and a much newer one writes what this server may not take back.
 *
 * @throws KilnError TOOL_MISSING naming the package, before anything is done.
 */
export async function findDumpTool(
  context: Pick<Context, 'database' | 'signal'>,
  program: 'pg_dump' | 'pg_restore' = 'pg_dump',
  /** Of pg_restore: the version of the pg_dump whose files it has to read. */
  oldestMajor = 0,
  parents: readonly string[] = versionFolders,
): Promise<DumpTool> {
  const { rows } = await context.database.pool.query<{ number: number }>(
    `select current_setting('server_version_num')::integer as number`,
  )
  const serverMajor = Math.floor((rows[0]?.number ?? 0) / 10_000)
  const wanted = Math.max(serverMajor, oldestMajor)
  const tools = await findTools(program, context.signal, parents)
  const fit = tools.filter(({ major }) => major >= wanted).toSorted((a, b) => a.major - b.major)[0]
  if (fit) return fit
  const found = [...new Set(tools.map(({ version }) => version))].join(', ')
  throw new KilnError(
    'TOOL_MISSING',
    found === ''
      ? `${program} is not installed: whole databases need that of Postgres ${wanted}`
      : `${program} ${found} is older than ${wanted > serverMajor ? `the dump, which pg_dump ${wanted} made` : `the server, which is Postgres ${serverMajor}`}`,
    {
      hint: `install the package postgresql-client-${wanted} (Debian), or take Kiln's tables alone: --profile analysis`,
    },
  )
}

/** The newest that is installed: it reads what all older ones have made. Undefined when none is. */
export async function findNewestTool(
  program: 'pg_restore',
  signal: AbortSignal,
): Promise<DumpTool | undefined> {
  const tools = await findTools(program, signal)
  return tools.toSorted((a, b) => b.major - a.major)[0]
}

async function findTools(
  program: string,
  signal: AbortSignal,
  parents: readonly string[] = versionFolders,
): Promise<readonly DumpTool[]> {
  const folders = [...programFolders()]
  for (const parent of parents) {
    const names = await readdir(parent).catch(() => [])
    folders.push(...names.map((name) => path.join(parent, name, 'bin')))
  }
  const tools: DumpTool[] = []
  for (const folder of new Set(folders)) {
    const file = path.join(folder, program)
    const version = await versionOf(file, signal)
    if (version) tools.push({ file, version, major: Number.parseInt(version, 10) })
  }
  return tools
}

/** Undefined when it is not there, or not a program of Postgres that runs. */
async function versionOf(file: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    await access(file, constants.X_OK)
    // Debian's wrapper chooses by a cluster or a database unless it is told nothing.
    const { stdout } = await runProgram(file, ['--version'], {
      timeoutMs: 10_000,
      signal,
      environment: { PATH: programFolders().join(path.delimiter) },
    })
    return /\(PostgreSQL\) (\d+(?:\.\d+)*)/.exec(stdout)?.[1]
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
