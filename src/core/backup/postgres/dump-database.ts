import { createReadStream } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../../context.ts'
import { fileError } from '../../os/index.ts'
import type { Making } from '../making.ts'
import type { BackedUpPostgres } from '../manifest.ts'
import { PhaseMeter } from '../progress.ts'
import { writeObject } from '../write-object.ts'
import type { DumpTool } from './find-dump-tool.ts'
import type { Snapshot } from './open-snapshot.ts'
import { runDump } from './run-dump.ts'

type Dump = NonNullable<BackedUpPostgres['dump']>

/**
 * Dumps the whole database with pg_dump, which sees our snapshot, and takes its files into the set.
 * pg_dump's own compression is left out: ours is several times faster, and every file gets its digest.
 *
 * @throws KilnError what `runDump` throws.
 */
export async function dumpDatabase(
  context: Context,
  { folder, key, input }: Making,
  tool: DumpTool,
  snapshot: Snapshot,
): Promise<Dump> {
  const dumpFolder = path.join(folder, 'dump')
  const silenceLimitMs = input.silenceLimitMs ?? 60_000
  await runDump(context, tool, {
    snapshot,
    folder: dumpFolder,
    args: [
      '--format=directory',
      '--compress=0',
      `--jobs=${input.readers ?? 2}`,
      `--snapshot=${snapshot.id}`,
      `--lock-wait-timeout=${input.lockTimeoutMs ?? 30_000}`,
      `--file=${dumpFolder}`,
      '--verbose',
      '--no-password',
    ],
    beatEveryMs: silenceLimitMs / 4,
    stallLimitMs: Math.max(300_000, silenceLimitMs),
  })
  const meter = new PhaseMeter('dump', null, input.onProgress)
  const objects: Dump['objects'] = []
  for (const file of (await readdir(dumpFolder)).toSorted()) {
    const object = await writeObject({
      folder,
      path: `pg/dump/${file}.zst`,
      source: read(path.join(dumpFolder, file)),
      codec: 'zstd',
      key,
      signal: context.signal,
      onBytes: meter.addBytes,
    })
    objects.push({ ...object, file })
    // One at a time, so that the disk never holds all of it twice.
    await rm(path.join(dumpFolder, file))
  }
  await rm(dumpFolder, { recursive: true })
  return { tool: `pg_dump ${tool.version}`, objects }
}

async function* read(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 512 * 1024 })) {
      yield chunk as Buffer
    }
  } catch (error) {
    throw fileError(error, file)
  }
}
