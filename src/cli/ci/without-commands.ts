/**
 * Text of others in the log of a pipeline. GitHub's runner obeys each line that begins with `::`, blanks
 * before it or not, and `##[` wherever it stands: a script could set outputs or silence our annotations.
 */
export const withoutCommands = (text: string): string =>
  text.replaceAll(/^(\s*):(?=:)/gm, '$1: ').replaceAll('##[', '# #[')
