import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/**
 * Takes back what nobody uses any more, which stops this process for some 10 ms. V8 itself waits until
 * its heap has grown to a multiple of what it holds, and gives nothing back while nothing happens.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
