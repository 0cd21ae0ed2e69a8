import { errorTable, exitCodes } from '../../src/core/errors/error-table.ts'
import { generatedNote, markdownPage, markdownTable, plain } from './markdown.ts'

const intro = `# Errors

A failed command writes one error to standard error: \`error: … [CODE]\` and a hint, or with \`--json\`
\`{"error":{"code","message","exit_code","retryable","hint"}}\`. The code is stable; messages may
change. "Again" says that the same command may succeed when it is repeated. What each exit code
means stands in [exit-codes.md](exit-codes.md).`

/** docs/errors.md: every error in the order of the table, then which errors share an exit code. */
export function errorsPage(): string {
  const errors = Object.entries(errorTable)
  const byExitCode = Object.values(exitCodes).flatMap((exitCode) => {
    const codes = errors.filter(([, error]) => error.exitCode === exitCode).map(([code]) => code)
    return codes.length === 0 ? [] : [[String(exitCode), codes.map(quote).join(', ')]]
  })
  return markdownPage(
    generatedNote('src/core/errors/error-table.ts'),
    intro,
    markdownTable(
      ['code', 'exit', 'again', 'meaning'],
      errors.map(([code, { exitCode, retryable, meaning }]) => [
        quote(code),
        String(exitCode),
        retryable ? 'yes' : '',
        plain(meaning),
      ]),
    ),
    '## By exit code',
    markdownTable(['exit', 'errors'], byExitCode),
  )
}

const quote = (code: string): string => `\`${code}\``
