import { formatSize } from '../../src/core/units/index.ts'
import { generatedNote, markdownPage, markdownTable, plain } from '../reference/markdown.ts'
import type { MeasuredFigure } from './read-figures.ts'

/** Headings by what a figure's name begins with, in the order of the page. */
const titles: Readonly<Record<string, string>> = {
  startup: 'Start of a command',
  queue: 'Queue',
  sandbox: 'Sandbox',
  data: 'Data in a script',
  load: 'Postgres into DuckDB',
  schedules: 'Schedules',
  cleanup: 'Cleanup beside the queue',
  backup: 'Backups',
  restore: 'Restores',
}

const intro = `# Performance

What Kiln costs, beside a peer that was measured in the same run on the same machine. Only the ratio means
something elsewhere. What each figure is, what the peers run with and why, is in
[bench/README.md](../bench/README.md).`

const measuring = `## Measure it yourself

<!-- not run: takes 20 minutes and a machine that does nothing else -->
\`\`\`sh
npm ci && npm run build
npm run bench > figures.jsonl                   # npm run bench startup: one of them
node scripts/performance-page.ts figures.jsonl  # writes this page
\`\`\`

Each figure is one JSON line on standard output. The end is 1 if a limit was missed. A \`load\` far above what
was measured, itself at most the number of cores, says that somebody else was at work: measure again.`

/** docs/performance.md: figures by group, each with its limit and whether it was kept. */
export function performancePage(figures: readonly MeasuredFigure[]): string {
  const groups = Map.groupBy(figures, groupOf)
  const order = [...Object.keys(titles), ...[...groups.keys()].filter((group) => !titles[group])]
  return markdownPage(
    generatedNote('the lines of npm run bench').replace(
      'npm run generate',
      'scripts/performance-page.ts',
    ),
    intro,
    summary(figures),
    ...order.flatMap((group) => groupSection(group, groups.get(group) ?? [])),
    measuring,
  )
}

/** `queue` of `queue.drain`, `startup` of `startup: kiln --version`. */
const groupOf = ({ name }: MeasuredFigure): string => /^\w+/.exec(name)?.[0] ?? name

function summary(figures: readonly MeasuredFigure[]): string {
  const limited = figures.filter(({ limit }) => limit !== undefined)
  const missed = limited.filter(({ isKept }) => !isKept)
  const days = [...new Set(figures.map(({ measuredAt }) => measuredAt?.slice(0, 10) ?? 'unknown'))]
  const machines = [...new Set(figures.map(machineText))]
  return [
    '| | |',
    '| --- | --- |',
    `| measured | ${days.toSorted().join(', ')} |`,
    ...machines.map((machine) => `| machine | ${plain(machine)} |`),
    `| limits | ${limited.length - missed.length} of ${limited.length} kept |`,
    ...missed.map((figure) => `| missed | ${plain(figure.name)}: ${limitText(figure)} was asked |`),
  ].join('\n')
}

function machineText({ machine, versions }: MeasuredFigure): string {
  return [
    `${machine.cores} cores of ${machine.cpu}`,
    `${formatSize(Number(machine.memory_bytes))} of memory`,
    `${machine.platform}`,
    `Node.js ${versions.node}`,
  ].join(', ')
}

function groupSection(group: string, figures: readonly MeasuredFigure[]): string[] {
  if (figures.length === 0) return []
  const peers = figures.flatMap(({ versions }) =>
    Object.entries(versions).filter(([name]) => name !== 'node'),
  )
  const measured = [...new Set(peers.map(([name, version]) => `${name} ${version}`))]
  return [
    `## ${titles[group] ?? group}`,
    measured.length === 0 ? '' : `Measured with ${plain(measured.join(', '))}.`,
    markdownTable(
      ['figure', 'unit', 'Kiln', 'peer', 'ratio', 'limit', 'kept', 'load'],
      figures.map((figure) => [
        plain(figure.name.replace(/^\w+[:.] ?/, '')),
        unitText(figure.unit),
        valueText(figure.ours, figure.unit),
        figure.peer === undefined ? '-' : valueText(figure.peer, figure.unit),
        figure.ratio === undefined ? '-' : String(figure.ratio),
        limitText(figure),
        figure.limit === undefined ? '-' : figure.isKept ? 'yes' : '**no**',
        String(figure.machine.load_average ?? '-'),
      ]),
    ),
    figures.flatMap(detailLines).join('\n'),
  ]
}

/** What else was seen of a figure, one line. */
function detailLines({ name, details }: MeasuredFigure): string[] {
  const seen = Object.entries(details).map(([field, value]) => `${field} ${value}`)
  if (seen.length === 0) return []
  return [`- ${plain(name.replace(/^\w+[:.] ?/, ''))}: \`${seen.join('`, `')}\``]
}

const unitText = (unit: string): string =>
  unit === 'mb_per_s' ? 'MB/s' : unit === 'bytes' ? 'MB' : unit.replace('_per_s', '/s')

/** In the unit of its column; of a figure with a peer the limit is one of the ratio. */
const limitText = ({ limit, unit, ratio }: MeasuredFigure): string =>
  limit === undefined
    ? '-'
    : ratio === undefined
      ? limit.replace(/\d+(\.\d+)?/, (number) => valueText(Number(number), unit))
      : limit

const valueText = (value: number, unit: string): string =>
  unit === 'bytes'
    ? String(Math.round(value / 1024 ** 2))
    : value.toLocaleString('en-US', { maximumFractionDigits: 1 })
