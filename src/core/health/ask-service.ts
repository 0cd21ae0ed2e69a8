import type { Settings } from '../config/index.ts'
import { KilnError } from '../errors/index.ts'
import { getText, whyNoAnswer } from './get-text.ts'

/** `live`: does the process answer; `ready`: does it take jobs; `health`: the summary. */
export type ServiceQuestion = 'live' | 'ready' | 'health'
export type ServiceVerdict = 'healthy' | 'degraded' | 'unhealthy' | 'down'

export interface ServiceAnswer {
  readonly verdict: ServiceVerdict
  /** Without user and password. */
  readonly url: string
  /** What the service said; null when it is down. */
  readonly report: Readonly<Record<string, unknown>> | null
  /** Why it is down; null otherwise. */
  readonly problem: string | null
}

const paths: Readonly<Record<ServiceQuestion, string>> = {
  live: '/livez',
  ready: '/readyz',
  health: '/health',
}

/** Statuses the service gives, and what they mean here. */
const verdicts: Readonly<Record<string, ServiceVerdict>> = {
  alive: 'healthy',
  ready: 'healthy',
  healthy: 'healthy',
  degraded: 'degraded',
  not_ready: 'unhealthy',
  unhealthy: 'unhealthy',
}

/**
 * Asks a running service over HTTP how it does. A service that does not answer is an answer:
 * `down`.
 *
 * @throws KilnError SETTING_INVALID when the address is no HTTP URL.
 */
export async function askService(
  settings: Pick<Settings, 'executorUrl' | 'host' | 'executorPort'>,
  input: {
    readonly question: ServiceQuestion
    readonly url?: string | undefined
    readonly timeoutMs: number
  },
): Promise<ServiceAnswer> {
  const address = addressOf(input.url ?? settings.executorUrl ?? localUrl(settings), input.question)
  const url = withoutUser(address)
  const down = (problem: string): ServiceAnswer => ({ verdict: 'down', url, report: null, problem })
  let answer: Awaited<ReturnType<typeof getText>>
  const signal = AbortSignal.timeout(input.timeoutMs)
  try {
    answer = await getText(address.href, signal)
  } catch (error) {
    if (signal.aborted) return down(`no answer within ${input.timeoutMs / 1000} s`)
    return down(whyNoAnswer(error))
  }
  const report = parse(answer.text)
  const isReport = typeof report === 'object' && report !== null && 'status' in report
  const verdict = isReport ? verdicts[String(report.status)] : undefined
  // The code tells a proxy that wants a password, or that reaches nobody.
  if (!verdict) return down(`what answers there, with ${answer.status}, is not a Kiln service`)
  return { verdict, url, report: report as Readonly<Record<string, unknown>>, problem: null }
}

/** The service of this machine, by the settings it reads itself. */
function localUrl({ host, executorPort }: Pick<Settings, 'host' | 'executorPort'>): string {
  // These mean every address of the machine, and are none to connect to.
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  const name = everywhere[host] ?? host
  return `http://${name.includes(':') ? `[${name}]` : name}:${executorPort}`
}

function addressOf(base: string, question: ServiceQuestion): URL {
  const url = URL.parse(base)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new KilnError('SETTING_INVALID', `${JSON.stringify(base)} is not an HTTP URL`, {
      hint: 'give --url or ANALYSIS_EXECUTOR_URL as http://HOST:PORT',
    })
  }
  url.pathname = `${url.pathname.replace(/\/$/, '')}${paths[question]}`
  url.search = ''
  url.hash = ''
  return url
}

function withoutUser(address: URL): string {
  const url = new URL(address)
  url.username = ''
  url.password = ''
  return url.href
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
