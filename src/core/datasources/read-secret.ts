import { readFile } from 'node:fs/promises'
import { readVariable } from '../config/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { fileError } from '../os/index.ts'
import type { SecretReference } from './datasource.ts'
import { decryptSecret } from './encrypt-secret.ts'
import { requireSecretKey } from './secret-key.ts'

export interface StoredSecret {
  readonly id: string
  readonly name: string
  readonly encryptedSecret: Buffer | null
  readonly keyId: string | null
}

/**
 * The connection URL that a reference stands for, on this machine.
 *
 * @throws KilnError DATASOURCE_UNAVAILABLE when the variable or file is not here,
 *   DATASOURCE_KEY_MISSING, DATASOURCE_INVALID.
 */
export async function readSecret(
  { settings }: Pick<Context, 'settings'>,
  row: StoredSecret,
  reference: SecretReference,
): Promise<string> {
  switch (reference.kind) {
    case 'variable': {
      const value = readVariable(reference.variable)
      if (value) return value
      throw new KilnError(
        'DATASOURCE_UNAVAILABLE',
        `datasource "${row.name}" needs the variable ${reference.variable}, which is not set`,
        { hint: `set ${reference.variable} in the environment of this process, or in .env` },
      )
    }
    case 'file': {
      const text = await readFile(reference.path, 'utf8').catch((error: unknown) => {
        const { message, hint } = fileError(error, reference.path)
        throw new KilnError(
          'DATASOURCE_UNAVAILABLE',
          `datasource "${row.name}" cannot read its secret: ${message}`,
          { cause: error, ...(hint === undefined ? {} : { hint }) },
        )
      })
      return text.trim()
    }
    case 'encrypted': {
      if (row.encryptedSecret === null || row.keyId === null) {
        throw new KilnError('DATASOURCE_INVALID', `datasource "${row.name}" has no stored secret`, {
          hint: 'remove the datasource and add it again',
        })
      }
      const key = await requireSecretKey(settings.dataDir, row.keyId)
      return decryptSecret(key, row.id, row.encryptedSecret)
    }
  }
}

/** How messages call the place a URL came from. */
export function secretLabel(name: string, reference: SecretReference): string {
  switch (reference.kind) {
    case 'variable':
      return `the variable ${reference.variable} of datasource "${name}"`
    case 'file':
      return `the file ${reference.path} of datasource "${name}"`
    case 'encrypted':
      return `the URL of datasource "${name}"`
  }
}
