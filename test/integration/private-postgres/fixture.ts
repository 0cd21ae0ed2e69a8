import { afterEach } from 'vitest'
import {
  type PrivatePostgres,
  type PrivatePostgresOverrides,
  ensurePrivatePostgres,
  stopPrivatePostgres,
} from '../../../src/core/database/private-postgres/index.ts'
import { copyCluster } from '../../support/cluster-copy.ts'
import { createTemporaryFolder } from '../../support/temporary-folder.ts'

export const isRoot = process.geteuid?.() === 0

/** Clusters of these tests need not survive a power cut. */
const fast = { serverSettings: { fsync: 'off' } }

export const ensure = (
  dataDir: string,
  overrides: PrivatePostgresOverrides = {},
): Promise<PrivatePostgres> =>
  ensurePrivatePostgres({ dataDir, overrides: { ...fast, ...overrides } })

const removals: (() => Promise<void>)[] = []

/** Things to undo after the test, last first. */
export function afterThisTest(undo: () => Promise<void>): void {
  removals.push(undo)
}

/** A data folder of one test; its server is ended afterwards. */
export async function newDataDir(): Promise<string> {
  const folder = await createTemporaryFolder('data')
  afterThisTest(() => folder.remove())
  return folder.path
}

/** One whose cluster an earlier command has made; its server does not run. */
export async function dataDirWithCluster(): Promise<string> {
  const dataDir = await newDataDir()
  if (!(await copyCluster(dataDir))) {
    await ensure(dataDir)
    await stopPrivatePostgres({ dataDir })
  }
  return dataDir
}

afterEach(async () => {
  for (const undo of removals.splice(0).toReversed()) await undo()
})

/** Runs in-process code as an ordinary user when the tests run as root. */
export async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (!isRoot) return work()
  process.seteuid?.(65_534)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}
