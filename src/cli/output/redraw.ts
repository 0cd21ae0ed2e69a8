/**
 * Text that replaces what a terminal shows. Lines that do not fit are cut, since they would scroll;
 * the terminal itself cuts what is too wide, as only it knows how wide its characters are.
 */
export function redrawn(text: string, terminal: { readonly rows: number }): string {
  const lines = text.split('\n').slice(0, Math.max(1, terminal.rows - 1))
  // Each line clears the rest of its row, and the last one everything below: no flicker.
  return `${home}${noWrap}${lines.map((line) => `${line}${clearRow}\n`).join('')}${clearBelow}${wrap}`
}

const home = '\u001b[H'
const noWrap = '\u001b[?7l'
const wrap = '\u001b[?7h'
const clearRow = '\u001b[K'
const clearBelow = '\u001b[J'
