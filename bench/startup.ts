import path from 'node:path'
import { type Figure, interleave, median } from './figure.ts'
import { cpuTimeMs } from './support/cpu-time.ts'

const root = path.resolve(import.meta.dirname, '..')
const kiln = path.join(root, 'bin/kiln')
const rounds = 15

/** What a start costs, since cron and shell scripts call Kiln often: CPU time against `node -e 0`. */
export default async function startup(): Promise<Figure[]> {
  const samples = await interleave(rounds, {
    bare: () => cpuTimeMs(process.execPath, ['-e', '0']),
    version: () => cpuTimeMs(kiln, ['--version']),
  })
  const common = { unit: 'ms', peer: median(samples.bare), versions: {} } as const
  return [
    {
      ...common,
      figure: 'startup: kiln --version',
      ours: median(samples.version),
      limit: { atMost: 4 },
    },
  ]
}
