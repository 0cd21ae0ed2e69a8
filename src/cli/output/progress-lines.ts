/** On a terminal often enough to be seen moving, in a log seldom enough not to fill it. */
const everyMs = process.stderr.isTTY ? 2000 : 30_000

/** A line on how far it is, every now and then; nothing for work that is soon done. */
export class ProgressLines {
  private readonly say: (line: string) => void
  private saidAt = performance.now()

  constructor(say: (line: string) => void) {
    this.say = say
  }

  tell(line: string): void {
    if (performance.now() - this.saidAt < everyMs) return
    this.saidAt = performance.now()
    this.say(line)
  }
}
