/**
 * The databases of projects, outside of jobs: looking into them, asking them, moving them. Each opens a
 * database as a job does, behind the same walls, and with a slot of it.
 */
export {
  type ProjectDatabaseFile,
  type ProjectDatabaseInfo,
  listProjectDatabases,
  projectDatabaseInfo,
} from './project-database-info.ts'
export { withOpenDatabase } from './open-project-database.ts'
export { type MovedProject, moveProject } from './move-project.ts'
export { type QueryProjectInput, queryProject } from './query-project.ts'
