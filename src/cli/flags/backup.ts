import path from 'node:path'
import { Flags } from '@oclif/core'
import { readPassphrase } from '../../core/backup/encryption.ts'
import type { Settings } from '../../core/config/index.ts'
import { durationFlag } from './duration.ts'

export const repositoryFlag = {
  repo: Flags.string({
    description: 'folder of the repository [default: BACKUP_REPOSITORY, else in the data folder]',
    helpValue: 'DIR',
  }),
}

export const passphraseFlag = {
  'passphrase-file': Flags.string({
    description: 'file whose first line is the passphrase [default: BACKUP_PASSPHRASE]',
    helpValue: 'FILE',
  }),
}

export const repositoryWaitFlag = {
  wait: durationFlag({
    description: 'wait so long for another who works on the repository (default: not at all)',
  }),
}

export const silenceFlag = {
  'silence-timeout': durationFlag({
    description: 'how long the server may send nothing [default: 1m]',
  }),
}

type Places = Pick<Settings, 'backupRepository' | 'backupPassphrase' | 'dataDir'>

/** The repository that a command works on. */
export function repositoryOf(
  flags: { readonly repo?: string | undefined },
  settings: Places,
): string {
  return path.resolve(
    flags.repo ?? settings.backupRepository ?? path.join(settings.dataDir, 'backups'),
  )
}

/** The passphrase that a command was given; undefined for none. */
export async function passphraseOf(
  flags: { readonly 'passphrase-file'?: string | undefined },
  settings: Places,
): Promise<string | undefined> {
  const file = flags['passphrase-file']
  return file === undefined ? settings.backupPassphrase : await readPassphrase(path.resolve(file))
}
