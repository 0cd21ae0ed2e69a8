import type {
  MovedProject,
  ProjectDatabaseFile,
  ProjectDatabaseInfo,
} from '../../core/projects/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { Json, JsonObject, ListOutput, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

const size = (bytes: Json | undefined): string =>
  typeof bytes === 'number' ? formatSize(bytes) : '-'

const fileJson = (file: ProjectDatabaseFile): JsonObject => ({
  project_id: file.projectId,
  home_folder: file.homeFolder,
  is_here: file.isHere,
  path: file.path,
  size_bytes: file.sizeBytes,
  log_bytes: file.logBytes,
  modified_at: file.modifiedAt,
})

const tablesJson = ({ contents }: ProjectDatabaseInfo): readonly JsonObject[] | null =>
  contents?.tables.map((table) => ({
    schema: table.schema,
    name: table.name,
    rows_estimate: table.rowCount,
    columns: table.columnCount,
    size_bytes: table.sizeBytes,
  })) ?? null

const usersJson = ({ users }: ProjectDatabaseInfo): readonly JsonObject[] =>
  users.map((user) => ({
    use: user.databaseUse,
    state: user.state,
    job_id: user.jobId,
    purpose: user.purpose,
    since: user.since,
  }))

export function projectDatabaseRecord(info: ProjectDatabaseInfo): RecordOutput {
  const { contents } = info
  return {
    kind: 'record',
    record: {
      ...fileJson(info),
      duckdb_version: contents?.duckdbVersion ?? null,
      storage_version: contents?.storageVersion ?? null,
      free_bytes: contents ? contents.freeBlocks * contents.blockSizeBytes : null,
      users: usersJson(info),
      waiting_jobs: info.waitingJobs,
      tables: tablesJson(info),
      unread_reason: info.unreadReason,
    },
    name: plainText(info.projectId),
    fields: [
      ['project', plainText(info.projectId)],
      ['home folder', plainText(info.homeFolder ?? '-')],
      ['file', plainText(info.path ?? 'in another data folder')],
      ['size', size(info.sizeBytes)],
      ['log', size(info.logBytes)],
      ['changed', age(info.modifiedAt) || '-'],
      ...(contents
        ? ([
            ['free in it', size(contents.freeBlocks * contents.blockSizeBytes)],
            ['DuckDB', `${contents.duckdbVersion}, storage ${contents.storageVersion ?? '-'}`],
            ['tables', String(contents.tables.length)],
            ...contents.tables.map(
              ({ schema, name, rowCount, sizeBytes }) =>
                [
                  '',
                  plainText(`${schema}.${name}: ${rowCount} rows, ${formatSize(sizeBytes)}`),
                ] as const,
            ),
          ] as const)
        : ([['tables', plainText(`not read: ${info.unreadReason ?? ''}`)]] as const)),
      ['used by', info.users.length === 0 ? 'nobody' : String(info.users.length)],
      ...info.users.map(
        ({ databaseUse, state, jobId, purpose, since }) =>
          [
            '',
            plainText(
              `${databaseUse}, ${state}: ${jobId === null ? '' : `job ${jobId}, `}${purpose}, ${age(since)}`,
            ),
          ] as const,
      ),
      ['waiting', String(info.waitingJobs)],
    ],
  }
}

export function databaseSizesList(files: readonly ProjectDatabaseFile[]): ListOutput {
  return {
    kind: 'list',
    items: files.map(fileJson),
    columns: [
      field('project', 'project_id'),
      { header: 'size', text: (file) => size(file.size_bytes) },
      { header: 'log', text: (file) => size(file.log_bytes) },
      { header: 'changed', text: (file) => age(file.modified_at) || '-' },
      { header: 'here', text: (file) => (file.is_here === true ? 'yes' : 'no') },
      field('home folder', 'home_folder', true),
      field('file', 'path', true),
    ],
    nextCursor: null,
    name: (file) => plainText(file.project_id),
    empty: 'no project has a database yet: an analysis declares one with database',
  }
}

export function tableSizesList(info: ProjectDatabaseInfo): ListOutput {
  return {
    kind: 'list',
    items: tablesJson(info) ?? [],
    summary: fileJson(info),
    columns: [
      field('schema', 'schema'),
      field('table', 'name'),
      field('rows, about', 'rows_estimate'),
      field('columns', 'columns', true),
      { header: 'size', text: (table) => size(table.size_bytes) },
    ],
    nextCursor: null,
    name: (table) => plainText(table.name),
    empty: info.unreadReason ?? 'no tables',
  }
}

export function movedProjectRecord(moved: MovedProject): RecordOutput {
  return {
    kind: 'record',
    record: {
      project_id: moved.projectId,
      from_folder: moved.from,
      home_folder: moved.home,
      path: moved.path,
      file_moved: moved.isFileMoved,
    },
    name: plainText(moved.projectId),
  }
}
