import { Args, Flags } from '@oclif/core'
import { type BackupPart, backupKinds } from '../../core/backup/index.ts'
import { passphraseFlag, repositoryFlag, repositoryWaitFlag, silenceFlag } from './backup.ts'
import { durationFlag } from './duration.ts'

/** What the words on the command line take in. */
export const backupParts: Readonly<Record<string, readonly BackupPart[]>> = {
  postgres: ['postgres'],
  duckdb: ['duckdb'],
  config: ['config'],
  all: ['postgres', 'duckdb', 'config'],
}

export const partArgument = Args.string({
  description: 'what to back up',
  options: Object.keys(backupParts),
  default: 'all',
  ignoreStdin: true,
})

export const createFlags = {
  ...repositoryFlag,
  profile: Flags.option({
    options: ['analysis', 'full'] as const,
    default: 'analysis' as const,
    description: "analysis: Kiln's own tables; full: also the whole database, by pg_dump",
  })(),
  kind: Flags.option({
    options: backupKinds,
    default: 'manual' as const,
    description: 'what it is made for; part of its name',
    helpValue: 'KIND',
  })(),
  label: Flags.string({ description: 'words of your own', helpValue: 'TEXT' }),
  encrypt: Flags.boolean({
    description: 'encrypt it [default: when there is a passphrase]',
    allowNo: true,
  }),
  ...passphraseFlag,
  'env-files': Flags.boolean({ description: 'also take in the .env files of this folder' }),
  'row-format': Flags.option({
    options: ['text', 'binary'] as const,
    default: 'text' as const,
    description: 'binary is faster, and loads into the same major version of Postgres only',
  })(),
  parallel: Flags.integer({
    description: 'connections that read at a time',
    default: 2,
    min: 1,
    max: 16,
    helpValue: 'N',
  }),
  'lock-timeout': durationFlag({
    description: 'how long to wait for a migration or a lock on a table [default: 30s]',
  }),
  'database-wait': durationFlag({
    description: "how long to wait for who writes a project's database [default: 1m]",
  }),
  ...silenceFlag,
  ...repositoryWaitFlag,
}
