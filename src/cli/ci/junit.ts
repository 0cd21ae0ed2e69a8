import type { CiCase } from './report.ts'

/** JUnit's XML, as Jenkins, GitLab and their like read it. */
export function junitXml(suite: string, cases: readonly CiCase[]): string {
  const failures = cases.filter(({ outcome }) => outcome === 'failed').length
  const errors = cases.filter(({ outcome }) => outcome === 'error').length
  const time = cases.reduce((sum, { durationMs = 0 }) => sum + durationMs, 0)
  const counts = `tests="${cases.length}" failures="${failures}" errors="${errors}" time="${seconds(time)}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escape(suite)}" ${counts}>`,
    `  <testsuite name="${escape(suite)}" ${counts}>`,
    ...cases.map(caseXml),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}

function caseXml(one: CiCase): string {
  const { group, name, outcome, problems, file, durationMs = 0, log } = one
  const place = file === undefined ? '' : ` file="${escape(file)}"`
  const open = `    <testcase classname="${escape(group)}" name="${escape(name)}"${place} time="${seconds(durationMs)}"`
  const inside = [
    ...(outcome === 'passed'
      ? []
      : [
          `      <${outcome === 'failed' ? 'failure' : 'error'} message="${escape(problems[0] ?? '')}">` +
            `${escape(problems.join('\n'))}</${outcome === 'failed' ? 'failure' : 'error'}>`,
        ]),
    ...(log ? [`      <system-out>${escape(log)}</system-out>`] : []),
  ]
  return inside.length === 0 ? `${open}/>` : [`${open}>`, ...inside, '    </testcase>'].join('\n')
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3)

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
}

/** XML has no way to write most control characters, and no half surrogate pairs. */
const escape = (text: string): string =>
  text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- these are the ones that XML refuses
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replaceAll(/[&<>"\n]/g, (character) => entities[character] ?? character)
