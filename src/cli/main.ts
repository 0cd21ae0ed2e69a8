import { readFileSync } from 'node:fs'

/**
 * Runs one command line and ends the process with its exit code. `root` is the folder of
 * package.json.
 */
export async function main(argv: readonly string[], root: string): Promise<never> {
  if (argv[0] === '--version' || argv[0] === '-V' || argv[0] === 'version') printVersion(root)
  else {
    // Not before it is needed: loading oclif costs more than Node's own start.
    const { dispatch } = await import('./dispatch.ts')
    await dispatch(argv, root)
  }
  // A pipe takes 64 KiB at a time; what its reader has not taken yet would be lost.
  await Promise.all([written(process.stdout), written(process.stderr)])
  // Ending here keeps a stray timer or socket from holding a finished command.
  process.exit()
}

/** Resolves when everything written to the stream so far has left this process. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve())
  })
}

function printVersion(root: string): void {
  const { name, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    name: string
    version: string
  }
  process.stdout.write(
    `${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`,
  )
}
