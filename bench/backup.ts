import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { copyFile } from '../src/core/backup/copy-database.ts'
import { type Figure, interleave, median } from './figure.ts'
import {
  type BackedUp,
  type BackupDatabase,
  secondsOf,
  versionOf,
  withBackupDatabase,
} from './support/backup-database.ts'

const fileBytes = 1024 ** 3
const mega = 1_000_000
const pairs = 5
const gzipRounds = 3

/**
 * Backups against what one would do by hand in their place, each side a process of its own that ends
 * with compressed files; rates are of the text that COPY has of the tables.
 */
export default async function backup(): Promise<Figure[]> {
  return await withBackupDatabase(async (database) => {
    const { set } = await database.backUp('text')
    const bench = new Bench(database, set)
    return [
      ...(await bench.tables('text', 0.9)),
      ...(await bench.tables('binary', 1)),
      ...(await bench.gzip()),
      await bench.verify(),
      await copyAndHash(database.folder),
    ]
  })
}

class Bench {
  readonly #database: BackupDatabase
  /** Folder of a set that stays. */
  readonly #set: string
  /** Of the text of COPY, whatever form it is read in. */
  readonly #megabytes: number
  /** How much smaller level 1 of zstd makes them. */
  readonly #zstdRatio: number
  #count = 0

  constructor(database: BackupDatabase, set: BackedUp) {
    this.#database = database
    this.#set = set.path
    this.#megabytes = set.plain_bytes / mega
    this.#zstdRatio = set.plain_bytes / set.size_bytes
  }

  async tables(rowFormat: 'text' | 'binary', atLeast: number): Promise<Figure[]> {
    let peakBytes = 0
    const samples = await interleave<'ours' | 'peer', number>(pairs, {
      ours: async () => {
        const run = await this.#backUp(rowFormat)
        peakBytes = Math.max(peakBytes, run.peakBytes)
        return run.seconds
      },
      peer: async () => (await this.#dump(['-Fd', '-j2', ...fastest()])).seconds,
    })
    const seconds = median(samples.ours)
    return [
      {
        figure: `backup: tables as ${rowFormat}`,
        unit: 'mb_per_s',
        ours: this.#megabytes / seconds,
        peer: this.#megabytes / median(samples.peer),
        limit: { atLeast },
        details: { megabytes: this.#megabytes, zstd_ratio: this.#zstdRatio, pairs },
        versions: { pg_dump: versionOf('pg_dump'), zstd: versionOf('zstd') },
      },
      {
        figure: `backup: memory, tables as ${rowFormat}`,
        unit: 'bytes',
        ours: peakBytes,
        limit: { atMost: 200 * 1024 ** 2 },
        versions: {},
      },
    ]
  }

  /** pg_dump as most people run it; one large table keeps one of its two jobs busy. */
  async gzip(): Promise<Figure[]> {
    let gzipRatio = Number.NaN
    const samples = await interleave<'ours' | 'folder' | 'custom', number>(gzipRounds, {
      ours: async () => (await this.#backUp('text')).seconds,
      folder: async () => (await this.#dump(['-Fd', '-j2'])).seconds,
      custom: async () => {
        const { seconds, bytes } = await this.#dump(['-Fc'])
        gzipRatio = (this.#megabytes * mega) / bytes
        return seconds
      },
    })
    const rate = (seconds: readonly number[]): number => this.#megabytes / median(seconds)
    return [
      {
        figure: "backup: tables as text, against pg_dump's own gzip",
        unit: 'mb_per_s',
        ours: rate(samples.ours),
        peer: rate(samples.folder),
        limit: { atLeast: 3 },
        details: {
          custom_format_mb_per_s: rate(samples.custom),
          megabytes: this.#megabytes,
          gzip_ratio: gzipRatio,
          zstd_ratio: this.#zstdRatio,
          rounds: gzipRounds,
        },
        versions: { pg_dump: versionOf('pg_dump') },
      },
    ]
  }

  async verify(): Promise<Figure> {
    const bytes = bytesOf(this.#set)
    const { repository } = this.#database
    const samples = await interleave<'ours' | 'peer', number>(pairs, {
      ours: async () =>
        (await this.#database.kiln(['backup', 'verify', 'latest', '--repo', repository])).seconds,
      peer: () =>
        secondsOf(() => execFileSync('sh', ['-c', `find ${this.#set} -type f | xargs sha256sum`])),
    })
    return {
      figure: 'backup: verify full',
      unit: 'mb_per_s',
      ours: bytes / mega / median(samples.ours),
      peer: bytes / mega / median(samples.peer),
      limit: { atLeast: 0.7 },
      details: { megabytes: bytes / mega },
      versions: {},
    }
  }

  async #backUp(rowFormat: 'text' | 'binary') {
    const repository = path.join(this.#database.folder, `repo-${(this.#count += 1)}`)
    const run = await this.#database.backUp(rowFormat, repository)
    rmSync(repository, { recursive: true })
    return run
  }

  async #dump(options: readonly string[]): Promise<{ seconds: number; bytes: number }> {
    const out = path.join(this.#database.folder, `dump-${(this.#count += 1)}`)
    mkdirSync(out)
    const to = path.join(out, 'd')
    const seconds = await secondsOf(() => {
      const args = [...options, '--data-only', '-f', to, this.#database.url]
      // It warns of references within one table, which do not matter here.
      execFileSync('pg_dump', args, { stdio: ['ignore', 'ignore', 'pipe'] })
      if (options.includes('-Z0')) execFileSync('sh', ['-c', `zstd -q -1 -T2 --rm ${to}/*.dat`])
    })
    const bytes = bytesOf(out)
    rmSync(out, { recursive: true })
    return { seconds, bytes }
  }
}

const bytesOf = (folder: string): number =>
  Number(execFileSync('du', ['-sb', folder], { encoding: 'utf8' }).split('\t')[0])

/** Of pg_dump with zstd: of its own where it has it. */
const fastest = (): readonly string[] =>
  Number.parseInt(versionOf('pg_dump'), 10) >= 16 ? ['--compress=zstd:1'] : ['-Z0']

/** What DuckDB's files go through. */
async function copyAndHash(folder: string): Promise<Figure> {
  const from = path.join(folder, 'large')
  execFileSync('sh', ['-c', `head -c ${fileBytes} /dev/urandom > ${from}`])
  const to = path.join(folder, 'copy')
  const never = new AbortController().signal
  const samples = await interleave<'ours' | 'peer', number>(pairs, {
    ours: () =>
      secondsOf(
        () => copyFile(from, to, () => undefined, never),
        () => rmSync(to),
      ),
    peer: () =>
      secondsOf(
        () => execFileSync('sh', ['-c', `cp ${from} ${to} && sha256sum ${to}`]),
        () => rmSync(to),
      ),
  })
  return {
    figure: 'backup: copy and hash of a file of 1 GiB',
    unit: 'mb_per_s',
    ours: fileBytes / mega / median(samples.ours),
    peer: fileBytes / mega / median(samples.peer),
    limit: { atLeast: 0.8 },
    versions: {},
  }
}
