/** A fresh isolate for each run of the script, in this process: no queue, no wall, no result kept. */
import { type DrainTime, stopwatch } from '../drain-time.ts'
import { offer } from '../offer.ts'
import { runInIsolateSync } from '../run-in-isolate.ts'
import { trivialScript } from '../trivial-script.ts'

offer(
  {
    drain(runs: number): DrainTime {
      const watch = stopwatch()
      for (let run = 0; run < runs; run += 1) runInIsolateSync(trivialScript)
      return watch.end(runs)
    },
  },
  () => Promise.resolve(),
)
