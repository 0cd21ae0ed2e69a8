/** Escapes what could drive a terminal: C0 and C1 controls, and text that changes direction. */
const controls =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** One line of text that is safe on a terminal; newlines become spaces. */
export function printable(text: string): string {
  return text.replace(/\r?\n/g, ' ').replace(controls, escapeControl)
}

/** Like `printable`, with line breaks and tabs kept. */
export function printableLines(text: string): string {
  return text.replace(controls, (character) =>
    character === '\n' || character === '\t' ? character : escapeControl(character),
  )
}

function escapeControl(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
