import type { Context } from '../context.ts'
import { KilnError, isKilnError } from '../errors/index.ts'
import { findAllowedFiles } from './allowed-files.ts'
import type { ResolvedDatasource } from './datasource.ts'
import { getDatasourceWithSecret } from './datasource-rows.ts'
import { parsePostgresUrl } from './postgres-url.ts'
import { readSecret, secretLabel } from './read-secret.ts'

/**
 * What a datasource stands for on this machine, with its secret: for the broker alone. Files are
 * checked again to lie under an allowed folder.
 *
 * @throws KilnError DATASOURCE_NOT_FOUND; DATASOURCE_UNAVAILABLE when a variable or file is not
 *   here, or not allowed here; DATASOURCE_KEY_MISSING; DATASOURCE_INVALID.
 */
export async function resolveDatasource(
  context: Pick<Context, 'database' | 'settings'>,
  projectId: string,
  name: string,
): Promise<ResolvedDatasource> {
  const row = await getDatasourceWithSecret(context, projectId, name)
  const { config } = row
  switch (config.type) {
    case 'postgres': {
      const text = await readSecret(context, row, config.secret)
      const url = parsePostgresUrl(text, secretLabel(name, config.secret))
      return { type: 'postgres', connectionString: url.href }
    }
    case 'duckdb': {
      const [file = config.path] = await filesOf(context, name, config.path)
      return { type: 'duckdb', path: file }
    }
    case 'file': {
      const files = await filesOf(context, name, config.path)
      return { type: 'file', files, format: config.format }
    }
  }
}

async function filesOf(
  { settings }: Pick<Context, 'settings'>,
  name: string,
  path: string,
): Promise<readonly string[]> {
  try {
    return await findAllowedFiles(settings, path)
  } catch (error) {
    if (!isKilnError(error)) throw error
    throw new KilnError('DATASOURCE_UNAVAILABLE', `datasource "${name}": ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }
}
