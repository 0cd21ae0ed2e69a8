interface Call {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

/** The options that `startSide` gave. */
export const options = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T

const closeWithinMs = 10_000

/** Offers functions to the process that started this one; `close` runs when that one lets go. */
export function offer(
  functions: Readonly<Record<string, (...args: never[]) => unknown>>,
  close: () => Promise<void>,
): void {
  process.on('message', (call: Call) => {
    void answer(functions, call).then((message) => process.send?.({ id: call.id, ...message }))
  })
  const onDisconnect = (): void => {
    // After an interruption the server may be gone already.
    setTimeout(() => process.exit(1), closeWithinMs).unref()
    void close().then(() => process.exit())
  }
  process.once('disconnect', onDisconnect)
  // That one may have let go before this one had started.
  if (!process.connected) onDisconnect()
}

async function answer(
  functions: Readonly<Record<string, (...args: never[]) => unknown>>,
  { name, args }: Call,
): Promise<{ result: unknown } | { error: string }> {
  try {
    return { result: await functions[name]?.(...(args as never[])) }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

/** Sends a value to `told` of the other side. */
export const tell = (value: unknown): void => void process.send?.({ told: value })
