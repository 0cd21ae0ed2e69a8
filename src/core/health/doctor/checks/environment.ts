import { constants, accessSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import { errorCodeOf, messageOf } from '../../../errors/index.ts'
import { fileExists, memoryLimitBytes, nearestFolder } from '../../../os/index.ts'
import { formatSize } from '../../../units/index.ts'
import { askService } from '../../ask-service.ts'
import { type Check, type Finding, critical, judge, ok, skipped, warning } from '../check.ts'

const group = 'environment'
const leastNode = 24
/** Connections, pipes of sandboxes, files of results: a service with ten jobs has some 200 open. */
const leastOpenFiles = 1024
/** Most of a job's time is spent waiting for data. */
const jobsPerCore = 8
/** What a sandbox may take beyond the heap of its script before it is ended. */
const besidesHeapBytes = 256 * 1024 ** 2

export const environmentChecks: readonly Check[] = [
  {
    id: 'environment.node',
    group,
    title: 'the Node that runs Kiln is new enough',
    needs: 'nothing',
    look() {
      const major = Number(process.versions.node.split('.')[0])
      const fact = `Node ${process.versions.node}, ICU ${process.versions.icu ?? 'unknown'}`
      const threshold = `${leastNode} or newer`
      return major >= leastNode
        ? ok(fact, threshold)
        : critical(fact, { threshold, mend: 'npm ci' })
    },
  },
  {
    id: 'environment.memory',
    group,
    title: 'there is the memory that jobs may take',
    needs: 'settings',
    look({ settings }) {
      const { maxConcurrentJobs, sandboxMemoryBytes } = settings
      const wanted = maxConcurrentJobs * (sandboxMemoryBytes + besidesHeapBytes)
      const memory = memoryLimitBytes()
      return judge(
        wanted / memory,
        { warning: 1 },
        {
          fact: `${maxConcurrentJobs} jobs may take ${formatSize(wanted)} of ${formatSize(memory)}`,
          threshold: 'the memory of the machine or container',
          mend: 'kiln config suggest',
        },
      )
    },
  },
  {
    id: 'environment.cores',
    group,
    title: 'jobs do not crowd the cores',
    needs: 'settings',
    look: ({ settings: { maxConcurrentJobs } }) =>
      judge(
        maxConcurrentJobs,
        { warning: jobsPerCore * availableParallelism() + 1 },
        {
          fact: `${maxConcurrentJobs} jobs at a time on ${availableParallelism()} cores`,
          threshold: `at most ${jobsPerCore} a core`,
          mend: 'kiln config suggest',
        },
      ),
  },
  {
    id: 'environment.open-files',
    group,
    title: 'processes may open enough files',
    needs: 'nothing',
    look() {
      const limit = /^Max open files\s+(\d+|unlimited)/m.exec(procFile('/proc/self/limits'))?.[1]
      if (limit === undefined) return skipped('this system does not say')
      const count = limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
      const fact = `at most ${limit} open files`
      const threshold = `${leastOpenFiles} or more`
      return count >= leastOpenFiles
        ? ok(fact, threshold)
        : warning(fact, { threshold, mend: 'ulimit -n 4096, or LimitNOFILE=4096 in the unit' })
    },
  },
  {
    id: 'environment.temporary-folder',
    group,
    title: 'temporary files can be written',
    needs: 'nothing',
    look() {
      try {
        // A folder of its own: others may have put a link where a known name would be.
        const folder = mkdtempSync(path.join(tmpdir(), 'kiln-doctor-'))
        try {
          writeFileSync(path.join(folder, 'file'), 'x')
        } finally {
          rmSync(folder, { recursive: true, force: true })
        }
        return ok(`${tmpdir()} can be written`)
      } catch (error) {
        return critical(`${tmpdir()}: ${messageOf(error)}`, {
          mend: 'set TMPDIR to a folder that this account may write',
        })
      }
    },
  },
  {
    id: 'environment.time-zones',
    group,
    title: 'the data of time zones is there',
    needs: 'nothing',
    look() {
      const zones = ['America/New_York', 'Australia/Lord_Howe', 'Europe/Berlin']
      const missing = zones.filter((zone) => !isZone(zone))
      const version = process.versions.tz ?? 'unknown'
      return missing.length === 0
        ? ok(`time zone data ${version}`)
        : critical(`time zone data ${version} lacks ${missing.join(', ')}`, {
            mend: 'use a Node with full ICU',
          })
    },
  },
  {
    id: 'environment.port',
    group,
    title: 'the port of the service is its own',
    needs: 'settings',
    look: async ({ settings }) => {
      const { host, executorPort: port } = settings
      if (port === 0) return ok('the service takes any free port')
      const problem = await listenProblem(host, port)
      if (problem === undefined) return ok(`${host}:${port} is free`)
      if (problem !== 'EADDRINUSE') {
        return warning(`${host}:${port} cannot be listened on: ${problem}`, {
          mend: 'set HOST and ANALYSIS_EXECUTOR_PORT to an address of this machine',
        })
      }
      return heldPort(settings, `${host}:${port}`)
    },
  },
  {
    id: 'environment.data-folder',
    group,
    title: 'the data folder can be written',
    needs: 'settings',
    look: async ({ settings: { dataDir } }) => {
      const isThere = await fileExists(dataDir)
      // One that is not there yet has to be made in the folder above it.
      const folder = isThere ? dataDir : await nearestFolder(dataDir)
      try {
        accessSync(folder, constants.W_OK | constants.X_OK | (isThere ? constants.R_OK : 0))
        return ok(`${dataDir} ${isThere ? 'can be written' : 'will be made when it is needed'}`)
      } catch (error) {
        return critical(`${folder}: ${messageOf(error)}`, {
          mend: 'make it writable for this account, or set ANALYSIS_DATA_DIR',
        })
      }
    },
  },
]

async function heldPort(
  settings: Parameters<typeof askService>[0],
  address: string,
): Promise<Finding> {
  const { verdict } = await askService(
    { ...settings, executorUrl: undefined },
    { question: 'live', timeoutMs: 1500 },
  )
  return verdict === 'healthy'
    ? ok(`a Kiln service listens on ${address}`)
    : warning(`another program listens on ${address}`, {
        mend: 'set ANALYSIS_EXECUTOR_PORT to a free port',
      })
}

function listenProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(errorCodeOf(error) ?? messageOf(error)))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone === zone
  } catch {
    return false
  }
}

function procFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
