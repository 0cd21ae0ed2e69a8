import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { type Figure, interleave, median } from './figure.ts'
import {
  type BackupDatabase,
  secondsOf,
  versionOf,
  withBackupDatabase,
} from './support/backup-database.ts'

const mega = 1_000_000
const pairs = 3

/**
 * A restore of the tables over live ones, with everything that it checks, indexes, references and the
 * exchange, against `pg_restore -j2` into a new and empty database. Rates are of COPY's text.
 */
export default async function restore(): Promise<Figure[]> {
  return await withBackupDatabase(async (database) => {
    const { set } = await database.backUp('text')
    const dump = path.join(database.folder, 'dump')
    // Not compressed: pg_restore reads that fastest.
    execFileSync('pg_dump', ['-Fd', '-j2', '-Z0', '-f', dump, database.url])
    const samples = await interleave<'ours' | 'peer', number>(pairs, {
      ours: () => ours(database),
      peer: () => peer(database, dump),
    })
    const megabytes = set.plain_bytes / mega
    return [
      {
        figure: 'restore: tables with indexes and references',
        unit: 'mb_per_s',
        ours: megabytes / median(samples.ours),
        peer: megabytes / median(samples.peer),
        limit: { atLeast: 1 },
        details: { megabytes, pairs },
        versions: { pg_restore: versionOf('pg_restore') },
      },
    ]
  })
}

async function ours(database: BackupDatabase): Promise<number> {
  await database.sql('checkpoint')
  const name = /[^/?]+(?=\?|$)/.exec(database.url)?.[0] ?? ''
  const repo = ['--repo', database.repository]
  const { seconds } = await database.kiln([
    'restore',
    'postgres',
    'latest',
    '--confirm',
    name,
    ...repo,
  ])
  await database.kiln(['restore', 'drop-old', '--yes'])
  return seconds
}

async function peer(database: BackupDatabase, dump: string): Promise<number> {
  await database.sql('create database bench_peer template template0')
  await database.sql('checkpoint')
  const url = database.url.replace(/[^/?]+(?=\?|$)/, 'bench_peer')
  const seconds = await secondsOf(() =>
    execFileSync('pg_restore', ['-j2', '-d', url, dump], { stdio: 'inherit' }),
  )
  await database.sql('drop database bench_peer with (force)')
  return seconds
}
