import path from 'node:path'
import { type Figure, interleave, median } from './figure.ts'
import { cpuTimeMs } from './support/cpu-time.ts'
import { createJobList } from './support/job-list.ts'

const kiln = path.resolve(import.meta.dirname, '../bin/kiln')
const rounds = 15

/** What a start costs, since cron and shell scripts call Kiln often: CPU time against `node -e 0`. */
export default async function startup(): Promise<Figure[]> {
  const list = await createJobList(kiln, 20)
  try {
    const samples = await interleave(rounds, {
      bare: () => cpuTimeMs(process.execPath, ['-e', '0']),
      version: () => cpuTimeMs(kiln, ['--version']),
      list: () => cpuTimeMs(kiln, ['job', 'list', '--json'], list.environment),
    })
    const common = { unit: 'ms', peer: median(samples.bare), versions: {} } as const
    return [
      {
        ...common,
        figure: 'startup: kiln --version against node -e 0',
        ours: median(samples.version),
        limit: { atMost: 4 },
      },
      {
        ...common,
        figure: 'startup: kiln job list --json (20 jobs) against node -e 0',
        ours: median(samples.list),
        limit: { atMost: 6 },
      },
    ]
  } finally {
    list.remove()
  }
}
