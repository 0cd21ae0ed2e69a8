import type { JobData } from '../executor/index.ts'
import { Broker, HostFailure } from '../executor/index.ts'
import type { LogLine, SandboxHost } from '../sandbox/contract.ts'
import type { TestCase } from './test-file.ts'

/**
 * Answers a script under test: data by the broker of jobs, from fixtures; what a script keeps and what
 * other analyses return by the test.
 */
export class TestHost implements SandboxHost {
  readonly lines: LogLine[] = []
  private readonly broker: Broker
  private readonly metadata: Map<string, unknown>
  private readonly analyses: TestCase['analyses']

  constructor(data: JobData, test: Pick<TestCase, 'metadata' | 'analyses'>) {
    this.metadata = new Map(Object.entries(test.metadata))
    this.analyses = test.analyses
    this.broker = new Broker({
      data,
      metadata: {
        get: async (key) => JSON.stringify(this.metadata.get(key) ?? null),
        set: async (key, value) => void this.metadata.set(key, value),
      },
      log: { append: (lines) => this.log(lines) },
      onProgress: () => undefined,
      runAnalysis: async (name) => this.resultOf(name),
    })
  }

  call(operation: string, argumentsText: string, signal: AbortSignal): Promise<string> {
    return this.broker.call(operation, argumentsText, signal)
  }

  log(lines: readonly LogLine[]): void {
    this.lines.push(...lines)
  }

  progress(): void {
    // Nobody watches a test.
  }

  close(): Promise<void> {
    return this.broker.close()
  }

  private resultOf(name: string): string {
    if (Object.hasOwn(this.analyses, name)) return JSON.stringify(this.analyses[name])
    throw new HostFailure('dependency_error', `the test gives no result of the analysis "${name}"`)
  }
}
