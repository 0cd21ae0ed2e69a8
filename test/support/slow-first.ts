import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take longer than about twenty seconds, the longest first: begun last, one of them would
 * run alone in the end. A clean clone has no times of an earlier run to go by.
 */
const slow = [
  'cli/documentation',
  'fault/memory',
  'fault/commit/killed-executor',
  // It only waits, for a minute.
  'fault/long-waits',
  'security/corpus/corpus',
  'security/second-corpus/second-corpus',
  'fault/commit/killed-postgres',
  'fault/commit/killed-duckdb',
  'integration/executor/project-database',
  'cli/output-contract',
  'cli/analysis-run',
  'cli/success-contract',
  'cli/signals',
  'fault/restore-server',
  'cli/analysis',
  'cli/base-command',
  'fault/killed-services',
  'fault/backup',
  'integration/restore/set',
  'cli/duckdb',
  'fault/restore',
  'fault/lost-executor',
  'cli/service',
  'cli/migrate',
  'cli/readonly-url',
  'cli/job-formats',
  'property/cron/next-occurrence',
  'integration/jobs/unsound-rows',
  'integration/sandbox/limits',
  'integration/executor/error-codes',
  'integration/executor/children',
  'integration/executor/serve',
  'integration/tasks/task-runner',
  'integration/restore/dump',
  'integration/private-postgres/crash',
  'integration/private-postgres/lifecycle',
  'fault/without-listen',
  'cli/backup',
  'cli/schedule',
  'cli/datasource',
  'integration/datasources/postgres-datasource',
  'integration/backup/databases',
]

/** Runs the slow files first, the others in vitest's own order. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const index = slow.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
      return index < 0 ? slow.length : index
    }
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => place(a) - place(b))
  }
}
