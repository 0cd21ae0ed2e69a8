import { KilnCommand } from '../../cli/base-command.ts'
import { listNames } from '../../cli/completion/list-names.ts'
import { isNameKind, nameKinds } from '../../cli/completion/spec.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { KilnError } from '../../core/errors/index.ts'

/** Who pressed TAB waits for it; connecting included. */
const limitMs = 1000

/** What the scripts of `kiln completion` ask for names: it makes and starts nothing, and is soon done. */
export default class CompletionNames extends KilnCommand<typeof CompletionNames> {
  static override summary = 'List the names that a command line is completed with.'
  static override hidden = true
  static override readsOnly = true
  static override examples = ['<%= config.bin %> completion names analyses --output name']
  static override args = {
    kind: requiredArgument({ description: nameKinds.join(', ') }),
  }

  protected override get needsSchema(): boolean {
    return false
  }

  protected override get privateServer() {
    return 'use' as const
  }

  protected async execute(): Promise<Output> {
    const { kind } = this.args
    if (!isNameKind(kind)) {
      throw new KilnError('USAGE', `there are no names of ${JSON.stringify(kind)}`, {
        hint: `name one of: ${nameKinds.join(', ')}`,
      })
    }
    const names = await withinLimit(this.context().then((context) => listNames(context, kind)))
    return {
      kind: 'list',
      items: names.map((name) => ({ name })),
      columns: [field('name', 'name')],
      nextCursor: null,
      name: (item) => plainText(item.name),
    }
  }

  /** A server that says nothing is not waited for: the connection ends with the process. */
  protected override finally(): Promise<void> {
    return Promise.resolve()
  }
}

async function withinLimit<T>(work: Promise<T>): Promise<T> {
  return await Promise.race([
    work,
    new Promise<never>((_, reject) => {
      setTimeout(() => {
        reject(
          new KilnError('DATABASE_CONNECTION_FAILED', `no answer within ${limitMs / 1000} s`, {
            hint: 'run: kiln doctor --only postgres',
          }),
        )
      }, limitMs)
    }),
  ])
}
