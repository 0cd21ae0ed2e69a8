import path from 'node:path'

/** What the private server is called inside; fixed, so that a URL can be told from its folder. */
export const userName = 'kiln'
export const databaseName = 'kiln'
/** Only part of the socket's file name: the server listens on no network. */
export const port = 5432

/** Where everything of one private server lies. */
export interface Layout {
  readonly stateFolder: string
  /** The cluster; exists only when complete. */
  readonly pgdata: string
  /** Folder of the socket, unless its path is too long for one. */
  readonly socketFolder: string
  readonly logFolder: string
  /** Copy of the package's binaries, made when the server's account cannot use the original. */
  readonly binariesFolder: string
}

export function layoutOf(stateFolder: string): Layout {
  return {
    stateFolder,
    pgdata: path.join(stateFolder, 'pgdata'),
    socketFolder: path.join(stateFolder, 'run'),
    logFolder: path.join(stateFolder, 'log'),
    binariesFolder: path.join(stateFolder, 'binaries'),
  }
}

export const socketPath = (folder: string): string => path.join(folder, `.s.PGSQL.${port}`)
