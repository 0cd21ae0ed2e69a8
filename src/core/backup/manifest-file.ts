import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { fileError, writeFileAtomically } from '../os/index.ts'
import { toCamelCase, toSnakeCase } from './key-case.ts'
import { layout } from './layout.ts'
import { type Manifest, manifestFormat, manifestSchema, objectsOf } from './manifest.ts'

/** What is read of a manifest's file. */
export interface ManifestFile {
  readonly manifest: Manifest
  /** SHA-256 of the manifest's text. */
  readonly digest: string
  /** HMAC of that text with the key of an encrypted set; null of one that is not. */
  readonly seal: string | null
  readonly text: string
}

/**
 * `{"format":1,"sha256":"…","hmac":null|"…","manifest":{…}}` and a line break: the digest is over the
 * exact text of the manifest, so that no byte of the file may change. The format stands first, to be
 * readable whatever follows it in later ones.
 */
const envelope =
  /^\{"format":(\d{1,9}),"sha256":"([0-9a-f]{64})","hmac":(null|"[0-9a-f]{64}"),"manifest":(\{.*\})\}\n$/s

/** Writes the manifest of a set; the caller has written and synced everything that it names. */
export async function writeManifest(
  folder: string,
  manifest: Manifest,
  key: Buffer | null,
): Promise<ManifestFile> {
  const text = JSON.stringify(toSnakeCase(manifestSchema.parse(manifest)))
  const digest = createHash('sha256').update(text).digest('hex')
  const seal = key === null ? null : sealOf(text, key)
  const content = `{"format":${manifest.format},"sha256":"${digest}","hmac":${JSON.stringify(seal)},"manifest":${text}}\n`
  await writeFileAtomically(path.join(folder, layout.manifestFile), content)
  return { manifest, digest, seal, text }
}

/**
 * Reads and checks the manifest in the folder of a set; the set's name must be the folder's.
 *
 * @throws KilnError BACKUP_NOT_FOUND without one, BACKUP_FORMAT_NEWER, BACKUP_DAMAGED.
 */
export async function readManifest(folder: string): Promise<ManifestFile> {
  const file = path.join(folder, layout.manifestFile)
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) throw fileError(error, file)
    throw new KilnError('BACKUP_NOT_FOUND', `there is no backup set in ${folder}`, {
      hint: 'look which there are: kiln backup list',
    })
  }
  const read = parseManifest(content, file)
  if (read.manifest.id !== path.basename(folder)) {
    throw damaged(file, `it is the manifest of ${read.manifest.id}`)
  }
  return read
}

/** Parses the text of a manifest's file, which is called `name` in errors. */
function parseManifest(content: string, name: string): ManifestFile {
  const format = Number(/^\{"format":(\d{1,9}),/.exec(content)?.[1] ?? Number.NaN)
  if (format > manifestFormat) throw newerFormat(name, format)
  const [, , digest = '', quotedSeal = '', text = ''] = envelope.exec(content) ?? []
  if (text === '') throw damaged(name, 'it is not the text of a manifest')
  if (createHash('sha256').update(text).digest('hex') !== digest) {
    throw damaged(name, 'its digest does not match')
  }
  const parsed = manifestSchema.safeParse(fieldsOf(text, name))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw damaged(name, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is not valid'}`)
  }
  if (format !== parsed.data.format) throw damaged(name, 'it names two formats')
  const paths = objectsOf(parsed.data).map(({ path: object }) => object)
  if (new Set(paths).size !== paths.length) throw damaged(name, 'it names a file twice')
  const projects = parsed.data.duckdb.map(({ projectId }) => projectId)
  if (new Set(projects).size !== projects.length) throw damaged(name, 'it names a project twice')
  const tables = parsed.data.postgres?.tables.map((table) => table.name) ?? []
  if (new Set(tables).size !== tables.length) throw damaged(name, 'it names a table twice')
  return {
    manifest: parsed.data,
    digest,
    seal: quotedSeal === 'null' ? null : quotedSeal.slice(1, -1),
    text,
  }
}

/** One that is nested so deep that it cannot be walked is nobody's manifest. */
function fieldsOf(text: string, name: string): unknown {
  try {
    return toCamelCase(JSON.parse(text))
  } catch {
    throw damaged(name, 'it is not JSON of a manifest')
  }
}

/**
 * Makes sure that who wrote the manifest had the key.
 *
 * @throws KilnError BACKUP_DAMAGED.
 */
export function checkSeal({ manifest, text, seal }: ManifestFile, key: Buffer): void {
  const wanted = Buffer.from(sealOf(text, key), 'hex')
  const found = Buffer.from(seal ?? '', 'hex')
  if (found.length === wanted.length && timingSafeEqual(found, wanted)) return
  throw damaged(`the manifest of ${manifest.id}`, 'it was not written by who had its key')
}

const sealOf = (text: string, key: Buffer): string =>
  createHmac('sha256', key).update('kiln-manifest\n').update(text).digest('hex')

function newerFormat(name: string, format: number): KilnError {
  return new KilnError(
    'BACKUP_FORMAT_NEWER',
    `${name} has format ${format}, this program reads up to ${manifestFormat}`,
    { hint: 'use the version of Kiln that made it, or a newer one', details: { format } },
  )
}

function damaged(name: string, reason: string): KilnError {
  return new KilnError('BACKUP_DAMAGED', `${name} is damaged: ${reason}`, {
    hint: 'use another set: kiln backup list',
  })
}
