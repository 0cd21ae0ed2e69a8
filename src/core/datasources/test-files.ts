import { open, stat } from 'node:fs/promises'
import type { FileFormat } from '../duckdb/index.ts'
import { KilnError } from '../errors/index.ts'
import { fileError } from '../os/index.ts'

export interface FileFacts {
  readonly files: number
  readonly sizeBytes: number
  readonly firstSizeBytes: number
}

/**
 * Whether files can be read and carry the marks of their format at beginning and end, as one that
 * was cut off does not.
 *
 * @throws KilnError naming the file.
 */
export async function testFiles(
  files: readonly string[],
  format: FileFormat | 'duckdb',
): Promise<FileFacts> {
  const sizes: number[] = []
  for (const file of files) {
    sizes.push(
      await testFile(file, format).catch((error: unknown) => {
        throw fileError(error, file)
      }),
    )
  }
  return {
    files: files.length,
    sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
    firstSizeBytes: sizes[0] ?? 0,
  }
}

async function testFile(file: string, format: FileFormat | 'duckdb'): Promise<number> {
  const { size } = await stat(file)
  const handle = await open(file, 'r')
  try {
    const read = async (position: number): Promise<string> => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, Math.max(0, position))
      return buffer.toString('latin1', 0, bytesRead)
    }
    // Text formats have no mark; reading at all is what can be asked of them here.
    const first = await read(format === 'duckdb' ? 8 : 0)
    if (format === 'duckdb' && first !== 'DUCK') throw notOfFormat(file, 'a DuckDB database')
    if (format === 'parquet' && (first !== 'PAR1' || (await read(size - 4)) !== 'PAR1')) {
      throw notOfFormat(file, 'a whole Parquet file')
    }
    return size
  } finally {
    await handle.close()
  }
}

const notOfFormat = (file: string, what: string): KilnError =>
  new KilnError('DATASOURCE_INVALID', `${file} is not ${what}`, {
    hint: 'check the file, and --format of the datasource',
  })
