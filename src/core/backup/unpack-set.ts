import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { Parser, type ReadEntry } from 'tar'
import { KilnError, messageOf } from '../errors/index.ts'
import { fileError } from '../os/index.ts'
import { isObjectPath, isSetId, layout } from './layout.ts'

export interface UnpackedSet {
  readonly id: string
  /** Paths of what was in the archive, the manifest left out. */
  readonly names: ReadonlySet<string>
}

const readBytes = 512 * 1024
const blockBytes = 512

/**
 * Writes the files of a set from an archive below `folder`. Everything but regular files and folders is
 * refused, and so is every name that is none of a set's: links, devices, ways out of the folder, the
 * same name twice. The manifest must come last.
 *
 * @throws KilnError BACKUP_DAMAGED, FILE_NOT_FOUND, DISK_FULL.
 */
export async function unpackSet(
  file: string,
  folder: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<UnpackedSet> {
  const refuse = (reason: string, cause?: unknown): KilnError =>
    new KilnError('BACKUP_DAMAGED', `${file} is no archive of a set: ${reason}`, {
      hint: 'make one with: kiln backup export',
      cause,
    })
  const names = new Set<string>()
  let id: string | undefined
  let hasManifest = false
  const check = (entry: ReadEntry): string | undefined => {
    const [set = '', ...rest] = entry.path.split('/')
    const name = rest.join('/')
    if (!isSetId(set) || (id ?? set) !== set) throw refuse(`it holds ${shown(entry.path)}`)
    id = set
    if (entry.type === 'Directory') return undefined
    if (entry.type !== 'File' && entry.type !== 'OldFile') {
      throw refuse(`${shown(entry.path)} is no regular file but a ${entry.type}`)
    }
    if (hasManifest) throw refuse(`${shown(entry.path)} comes after the manifest`)
    if (name === layout.manifestFile) hasManifest = true
    else if (!isObjectPath(name)) throw refuse(`it holds ${shown(entry.path)}`)
    else if (names.has(name)) throw refuse(`it holds ${shown(entry.path)} twice`)
    else names.add(name)
    return path.join(folder, set, ...rest)
  }
  await parse(file, signal, refuse, async (entry) => {
    const target = check(entry)
    if (target !== undefined) await writeEntry(entry, target, onBytes)
    // The parser waits for each entry to be read, of a folder too.
    else entry.resume()
  })
  if (id === undefined) throw refuse('it is empty')
  if (!hasManifest) throw refuse('it has no manifest: it was cut off')
  return { id, names }
}

/** Hands over one entry after the other, in the order of the archive. */
async function parse(
  file: string,
  signal: AbortSignal,
  refuse: (reason: string, cause?: unknown) => KilnError,
  take: (entry: ReadEntry) => Promise<void>,
): Promise<void> {
  await requirePlainTar(file, refuse)
  let failure: unknown
  let taking: Promise<void> = Promise.resolve()
  let current: ReadEntry | undefined
  try {
    const fail = (error: unknown) => (failure ??= error)
    const parser = new Parser({
      strict: true,
      // The parser gives the next entry when this one was read.
      onReadEntry: (entry) => {
        taking = taking
          .then(async () => {
            current = entry
            if (failure === undefined) await take(entry)
            else entry.resume()
          })
          .catch((error: unknown) => {
            fail(error)
            entry.resume()
          })
      },
    })
    parser.on('error', (error) => fail(refuse(messageOf(error), error)))
    const ended = new Promise<void>((resolve) => parser.on('end', resolve))
    for await (const chunk of createReadStream(file, { highWaterMark: readBytes })) {
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      if (!parser.write(chunk as Buffer)) {
        await new Promise<void>((resolve) => parser.once('drain', resolve))
      }
    }
    parser.end()
    await ended
    await taking
    if (failure !== undefined) throw failure
  } finally {
    // Its rest will not come, and who writes it has a file open.
    if (failure !== undefined) current?.destroy(failure)
    await taking
  }
}

/** The parser would unpack what is compressed, however large it gets. */
async function requirePlainTar(file: string, refuse: (reason: string) => KilnError): Promise<void> {
  const input = await open(file, 'r').catch((error: unknown) => {
    throw fileError(error, file)
  })
  try {
    const { buffer, bytesRead } = await input.read(Buffer.alloc(blockBytes), 0, blockBytes, 0)
    if (bytesRead < blockBytes || buffer.toString('latin1', 257, 262) !== 'ustar') {
      throw refuse('it is not a plain tar file')
    }
  } finally {
    await input.close()
  }
}

async function writeEntry(
  entry: ReadEntry,
  target: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  try {
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
    const handle = await open(target, 'wx', 0o600)
    try {
      for await (const chunk of entry as AsyncIterable<Buffer>) {
        await handle.writeFile(chunk)
        onBytes(chunk.length)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fileError(error, target)
  }
}

/** What an archive calls its entries goes to a terminal. */
const shown = (name: string): string => JSON.stringify(name.slice(0, 200))
