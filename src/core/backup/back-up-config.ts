import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'
import { fileError } from '../os/index.ts'
import { configText } from './config-snapshot.ts'
import type { Making, PartOfManifest } from './making.ts'
import { writeObject } from './write-object.ts'

/** The settings in force, and the `.env` files that were asked for. */
export async function backUpConfig(
  { settings, signal }: Pick<Context, 'settings' | 'signal'>,
  { folder, key, input }: Making,
): Promise<PartOfManifest> {
  const config = await writeObject({
    folder,
    path: 'config/settings.json.zst',
    source: [Buffer.from(configText(settings))],
    codec: 'zstd',
    key,
    signal,
  })
  const envFiles = []
  for (const [index, file] of (await findEnvFiles(input.envFolder)).entries()) {
    const source = read(file)
    const object = await writeObject({
      folder,
      path: `config/env-${index}.zst`,
      source,
      codec: 'zstd',
      key,
      signal,
    })
    envFiles.push({ ...object, file: path.basename(file) })
  }
  const hasOpenSecrets = envFiles.length > 0 && key === null
  const notes = hasOpenSecrets
    ? ['the .env files in it are not encrypted: whoever reads the set reads their secrets']
    : []
  return { config, envFiles, notes }
}

async function findEnvFiles(folder: string | undefined): Promise<readonly string[]> {
  if (folder === undefined) return []
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileError(error, folder)
  })
  return names.filter((name) => /^\.env(\..+)?$/.test(name)).map((name) => path.join(folder, name))
}

async function* read(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file)) yield chunk as Buffer
  } catch (error) {
    throw fileError(error, file)
  }
}
