import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { findNewestTool } from '../../backup/index.ts'
import { programFolders } from '../../config/index.ts'
import { KilnError, messageOf } from '../../errors/index.ts'
import { fileError } from '../../os/index.ts'

export type DumpFormat = 'plain' | 'gzip' | 'custom'

/** The statements of a dump as text, whatever it was packed in. */
export interface OpenDump {
  readonly format: DumpFormat
  readonly stream: Readable
  /** Of the file, 0 for a folder. */
  readonly sizeBytes: number
}

/**
 * Opens a dump: plain SQL, the same compressed by gzip, or what pg_restore reads (its custom, folder
 * and tar formats). A damaged file fails while it is read.
 *
 * @throws KilnError FILE_NOT_FOUND, FILE_UNREADABLE, TOOL_MISSING, BACKUP_DATA_INVALID.
 */
export async function openDump(file: string, signal: AbortSignal): Promise<OpenDump> {
  const { head, sizeBytes } = await readHead(file)
  if (head === 'folder' || isForPgRestore(head)) {
    return { format: 'custom', stream: await runPgRestore(file, signal), sizeBytes }
  }
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const inner = await peekGzip(file)
    const unpacked = unzip(file, signal)
    if (isForPgRestore(inner)) {
      return { format: 'custom', stream: await runPgRestore(file, signal, unpacked), sizeBytes }
    }
    return { format: 'gzip', stream: unpacked, sizeBytes }
  }
  const packer = packers.find(({ magic }) => head.subarray(0, magic.length).equals(magic))
  if (packer) {
    throw new KilnError('BACKUP_DATA_INVALID', `${file} is packed by ${packer.name}`, {
      hint: 'unpack it first: of packed dumps only those of gzip are read',
    })
  }
  if ((head[0] === 0xff && head[1] === 0xfe) || head.includes(0)) {
    throw new KilnError('BACKUP_DATA_INVALID', `${file} is no dump: it is not text`, {
      hint: 'name a file that pg_dump made; PowerShell writes such files with -f, not with >',
    })
  }
  return {
    format: 'plain',
    stream: createReadStream(file, { highWaterMark: 256 * 1024 }),
    sizeBytes,
  }
}

const packers = [
  { name: 'zstd', magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
  { name: 'xz', magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]) },
  { name: 'bzip2', magic: Buffer.from('BZh') },
  { name: 'zip', magic: Buffer.from('PK\u0003\u0004') },
] as const

async function readHead(
  file: string,
): Promise<{ readonly head: Buffer | 'folder'; readonly sizeBytes: number }> {
  try {
    const found = await stat(file)
    if (found.isDirectory()) return { head: 'folder', sizeBytes: 0 }
    const handle = await open(file, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0)
      return { head: buffer.subarray(0, bytesRead), sizeBytes: found.size }
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fileError(error, file)
  }
}

/** Custom format, or a tar whose first entry is its table of contents. */
const isForPgRestore = (head: Buffer): boolean =>
  head.toString('latin1', 0, 5) === 'PGDMP' ||
  (head.toString('latin1', 257, 262) === 'ustar' && head.toString('latin1', 0, 7) === 'toc.dat')

function unzip(file: string, signal: AbortSignal): Readable {
  const gunzip = createGunzip()
  // An error of the file is one of the stream that is read; the reader tells it.
  pipeline(createReadStream(file), gunzip, { signal }).catch((error: unknown) => {
    gunzip.destroy(
      new KilnError('BACKUP_DATA_INVALID', `${file} is damaged or cut off: ${messageOf(error)}`, {
        hint: 'copy it again, or use another dump: nothing was changed',
      }),
    )
  })
  return explained(gunzip, file)
}

/** The same bytes, with an error that names the file instead of zlib's own. */
function explained(stream: Readable, file: string): Readable {
  const out = patientStream()
  stream.on('error', (error) =>
    out.destroy(
      error instanceof KilnError
        ? error
        : new KilnError('BACKUP_DATA_INVALID', `${file} is damaged or cut off: ${error.message}`, {
            hint: 'copy it again, or use another dump: nothing was changed',
          }),
    ),
  )
  stream.pipe(out)
  out.on('close', () => stream.destroy())
  return out
}

/** It may fail before anybody reads it; the reader is told then. */
const patientStream = (): PassThrough =>
  new PassThrough({ highWaterMark: 256 * 1024 }).on('error', () => undefined)

async function peekGzip(file: string): Promise<Buffer> {
  const gunzip = createGunzip()
  const source = createReadStream(file)
  source.on('error', (error) => gunzip.destroy(error))
  source.pipe(gunzip)
  try {
    for await (const chunk of gunzip) return chunk as Buffer
  } catch (error) {
    throw new KilnError(
      'BACKUP_DATA_INVALID',
      `${file} is damaged or cut off: ${messageOf(error)}`,
      {
        hint: 'copy it again, or use another dump: nothing was changed',
      },
    )
  } finally {
    source.destroy()
  }
  return Buffer.alloc(0)
}

/** pg_restore turns the dump into text; without a database it connects to none. */
async function runPgRestore(
  file: string,
  signal: AbortSignal,
  input?: Readable,
): Promise<Readable> {
  const tool = await findNewestTool('pg_restore', signal)
  if (!tool) {
    throw new KilnError('TOOL_MISSING', `${file} needs pg_restore, which is not installed`, {
      hint: 'install the package postgresql-client, or make a plain dump: pg_dump --format=plain',
    })
  }
  const child = spawn(tool.file, ['--no-owner', '--no-acl', '--file=-', ...(input ? [] : [file])], {
    stdio: 'pipe',
    env: { PATH: programFolders().join(':'), LC_ALL: 'C' },
    signal,
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  // When pg_restore ends early it says why itself.
  if (input) pipeline(input, child.stdin).catch(() => undefined)
  else child.stdin.end()
  const out = patientStream()
  let stderr = ''
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => (stderr = (stderr + text).slice(-2000)))
  child.on('error', (error) => out.destroy(error))
  // Its end is the end of the dump only if it says that all went well.
  child.stdout.pipe(out, { end: false })
  child.on('close', (exitCode) => {
    if (exitCode === 0) out.end()
    else out.destroy(pgRestoreFailed(file, stderr))
  })
  out.on('close', () => child.kill())
  return out
}

function pgRestoreFailed(file: string, stderr: string): KilnError {
  const reason =
    stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^pg_restore: error: /, '') ?? ''
  if (/unsupported version/.test(reason)) {
    return new KilnError('TOOL_MISSING', `${file} needs a newer pg_restore: ${reason}`, {
      hint: 'install the postgresql-client of the version that made the dump',
    })
  }
  return new KilnError('BACKUP_DATA_INVALID', `pg_restore cannot read ${file}: ${reason}`, {
    hint: 'copy it again, or use another dump: nothing was changed',
  })
}
