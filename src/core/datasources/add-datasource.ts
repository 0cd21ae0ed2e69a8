import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import type { FileFormat } from '../duckdb/index.ts'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { fileExists } from '../os/index.ts'
import { findAllowedFiles } from './allowed-files.ts'
import type { Datasource, DatasourceConfig } from './datasource.ts'
import { toDatasource } from './datasource-rows.ts'
import { encryptSecret } from './encrypt-secret.ts'
import { formatOfPath } from './file-format.ts'
import { parsePostgresUrl, placeOf } from './postgres-url.ts'
import { ensureSecretKey } from './secret-key.ts'

/** What a datasource is to be, as the operator said it. */
export type DatasourceSource =
  | { readonly type: 'postgres'; readonly urlVariable: string }
  | { readonly type: 'postgres'; readonly urlFile: string }
  | { readonly type: 'postgres'; readonly url: string }
  | { readonly type: 'duckdb'; readonly path: string }
  /** Undefined: the extension tells the format. */
  | { readonly type: 'file'; readonly path: string; readonly format: FileFormat | undefined }

export interface AddDatasourceInput {
  readonly projectId: string
  readonly name: string
  readonly source: DatasourceSource
}

/**
 * Adds a datasource to a project. A URL is encrypted before it is stored; files are checked to lie
 * under an allowed folder; nothing is connected to.
 *
 * @throws KilnError USAGE for an impossible name, DATASOURCE_EXISTS, DATASOURCE_INVALID,
 *   FILE_NOT_FOUND, PERMISSION_DENIED for a file outside the allowed folders.
 */
export async function addDatasource(
  context: Pick<Context, 'database' | 'operator' | 'settings'>,
  input: AddDatasourceInput,
): Promise<Datasource> {
  const { projectId, name, source } = input
  requireName(name)
  requireProject(projectId)
  const id = randomUUID()
  const config = await describe(context, name, source)
  const secret = 'url' in source ? await encrypt(context, id, source.url) : undefined
  const { type, ...stored } = config
  try {
    return await context.database.queries.transaction().execute(async (transaction) => {
      const row = await transaction
        .insertInto('analysisDatasources')
        .values({
          id,
          projectId,
          name,
          type,
          config: JSON.stringify(stored),
          encryptedSecret: secret?.encrypted ?? null,
          keyId: secret?.keyId ?? null,
          createdBy: context.operator.actor,
        })
        .returning([
          'id',
          'projectId',
          'name',
          'type',
          'config',
          'keyId',
          'createdBy',
          'createdAt',
          'updatedAt',
        ])
        .executeTakeFirstOrThrow()
      const datasource = toDatasource(row)
      await recordAudit(transaction, context.operator, {
        action: 'datasource.add',
        targetType: 'datasource',
        targetId: id,
        targetName: `${projectId}/${name}`,
        after: datasource.config,
        details: { type },
      })
      return datasource
    })
  } catch (error) {
    if (errorCodeOf(error) !== '23505') throw error
    throw new KilnError('DATASOURCE_EXISTS', `project "${projectId}" has a datasource "${name}"`, {
      hint: `remove it first: kiln datasource remove ${name} --project ${projectId}`,
      cause: error,
    })
  }
}

/** The column `config` of a source that has been found to be possible. */
async function describe(
  { settings }: Pick<Context, 'settings'>,
  name: string,
  source: DatasourceSource,
): Promise<DatasourceConfig> {
  switch (source.type) {
    case 'duckdb': {
      const file = path.resolve(source.path)
      await findAllowedFiles(settings, file)
      return { type: 'duckdb', path: file }
    }
    case 'file': {
      const pathOrGlob = path.resolve(source.path)
      await findAllowedFiles(settings, pathOrGlob)
      return { type: 'file', path: pathOrGlob, format: source.format ?? formatOfPath(pathOrGlob) }
    }
    case 'postgres':
      return describePostgres(name, source)
  }
}

async function describePostgres(
  name: string,
  source: Extract<DatasourceSource, { type: 'postgres' }>,
): Promise<DatasourceConfig> {
  if ('urlVariable' in source) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(source.urlVariable)) {
      // A URL given where a name belongs must not be repeated.
      throw new KilnError('USAGE', '--url-env takes the name of a variable', {
        hint: 'write --url-env NAME, where NAME holds the URL',
      })
    }
    return { type: 'postgres', secret: { kind: 'variable', variable: source.urlVariable } }
  }
  if ('urlFile' in source) {
    const file = path.resolve(source.urlFile)
    if (!(await fileExists(file))) {
      throw new KilnError('FILE_NOT_FOUND', `no such file: ${file}`, { hint: 'check the path' })
    }
    return { type: 'postgres', secret: { kind: 'file', path: file } }
  }
  const url = parsePostgresUrl(source.url, `the URL of datasource "${name}"`)
  return { type: 'postgres', secret: { kind: 'encrypted' }, place: placeOf(url) }
}

async function encrypt(
  { settings }: Pick<Context, 'settings'>,
  id: string,
  url: string,
): Promise<{ readonly encrypted: Buffer; readonly keyId: string }> {
  const key = await ensureSecretKey(settings.dataDir)
  return { encrypted: encryptSecret(key, id, url.trim()), keyId: key.id }
}

/** Members of `ctx.datasource`, and databases that DuckDB or Kiln calls so inside a job. */
const reservedNames = new Set([
  'query',
  'stream',
  'then',
  'main',
  'memory',
  'project',
  'scratch',
  'system',
  'temp',
])

function requireName(name: string): void {
  if (reservedNames.has(name)) {
    throw new KilnError('USAGE', `"${name}" has a meaning of its own inside scripts`, {
      hint: 'give the datasource another name',
    })
  }
  if (/^[a-z][a-z0-9_]{0,62}$/.test(name)) return
  throw new KilnError('USAGE', `"${name}" cannot be the name of a datasource`, {
    hint: 'use lower-case letters, digits and _, with a letter first: it is ctx.datasource.NAME in scripts',
  })
}

function requireProject(projectId: string): void {
  if (projectId !== '' && projectId.length <= 255) return
  throw new KilnError('USAGE', 'a project id has 1 to 255 characters', {
    hint: 'give another --project',
  })
}
