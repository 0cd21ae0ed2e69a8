/** Ways into the bridge. Numbers, so that they can be written into its source. */
export const entries = {
  /** (post, lines, chars): where what the bridge says goes, and what the job may log. */
  begin: 1,
  /** (namespace, language, maxChars) */
  inspect: 2,
  /** (namespace, aboutText, parametersText, stopAt, maxChars) */
  run: 3,
  /** (namespace, aboutText, parametersText, stopAt, maxChars, parameter) */
  choose: 4,
  /** (id, isReply, text) */
  deliver: 5,
} as const
