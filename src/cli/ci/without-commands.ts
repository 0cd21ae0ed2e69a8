/**
 * Text of others in the log of a pipeline. GitHub's runner obeys each line that begins with `::`, blanks
 * before it or not, and `##[` wherever it stands, on standard output as on standard error: a script could
 * set outputs or silence our annotations. The runner's own way, `::stop-commands::`, would stand among the
 * data that a program reads, and what goes to the other stream comes before or after it as it happens.
 */
export const withoutCommands = (text: string): string =>
  // .NET, in which the runner is written, knows a blank more than JavaScript.
  text.replaceAll(/^([\s\u0085]*):(?=:)/gm, '$1: ').replaceAll('##[', '# #[')

/** The same of JSON, whose value stays what it is: both can stand in texts only, no line begins with one. */
export const jsonWithoutCommands = (text: string): string =>
  text.replaceAll('##[', String.raw`#\u0023[`)
