import path from 'node:path'

/** Folders in which programs are looked for, as the environment's PATH lists them. */
export function programFolders(environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  return (environment.PATH ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder))
}
