import { Flags } from '@oclif/core'
import { durationFlag } from './duration.ts'

/** Where the files are. Hidden: the ledger and `checkSchema` belong to Kiln's own migrations. */
export const migrationsFlag = {
  migrations: Flags.directory({
    description: "folder of migration files instead of Kiln's own",
    helpValue: 'DIR',
    hidden: true,
    exists: true,
  }),
}

/** Flags of commands that change the schema or its ledger. */
export const migrateFlags = {
  ...migrationsFlag,
  'lock-timeout': durationFlag({
    description: 'how long to wait for another migration, backup or restore [default: 10s]',
  }),
}
