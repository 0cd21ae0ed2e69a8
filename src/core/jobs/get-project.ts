import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { type ProjectInfo, listProjects } from './list-projects.ts'

/** @throws KilnError PROJECT_NOT_FOUND. */
export async function getProject(
  { database }: Pick<Context, 'database'>,
  id: string,
): Promise<ProjectInfo> {
  const [project] = await listProjects(database.queries, id)
  if (!project) throw projectNotFound(id)
  return project
}

export function projectNotFound(id: string): KilnError {
  return new KilnError('PROJECT_NOT_FOUND', `there is no project "${id}"`, {
    hint: 'run: kiln project list; a project appears with its first analysis',
  })
}
