import type { Context } from '../context.ts'
import { isKilnError } from '../errors/index.ts'
import type { Datasource, PostgresPlace } from './datasource.ts'
import { parsePostgresUrl, placeOf } from './postgres-url.ts'
import { readSecret, secretLabel } from './read-secret.ts'

/**
 * Host, port, database and user of a Postgres datasource, as far as they are known on this
 * machine; undefined where the variable or file it refers to is not here.
 */
export async function describePlace(
  context: Pick<Context, 'settings'>,
  { id, name, config }: Datasource,
): Promise<PostgresPlace | undefined> {
  if (config.type !== 'postgres') return undefined
  if (config.place) return config.place
  try {
    const row = { id, name, encryptedSecret: null, keyId: null }
    const text = await readSecret(context, row, config.secret)
    return placeOf(parsePostgresUrl(text, secretLabel(name, config.secret)))
  } catch (error) {
    // The datasource is for another machine, or not finished: `test` says what is wrong.
    if (isKilnError(error)) return undefined
    throw error
  }
}
