import { Flags } from '@oclif/core'
import type { KnownSeal } from '../../core/audit/index.ts'
import { KilnError } from '../../core/errors/index.ts'

/** A flag such as `--expect 1234:9f86d0…`: id and hash of a row of the audit log, as it was sealed. */
export const knownSealFlag = Flags.custom<KnownSeal>({
  helpValue: 'ID:HASH',
  parse: async (text) => {
    const [, id, hash] = /^\s*([1-9]\d{0,14}):([0-9a-f]{64})\s*$/i.exec(text) ?? []
    if (id !== undefined && hash !== undefined) return { id: Number(id), hash: hash.toLowerCase() }
    throw new KilnError('USAGE', `${JSON.stringify(text)} is no seal of a row`, {
      hint: 'give last_id and last_hash of an earlier kiln audit verify --json, with a colon between',
    })
  },
})
