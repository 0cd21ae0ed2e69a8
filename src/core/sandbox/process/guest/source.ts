import { makeCalls } from './calls.ts'
import { closeAllocators } from './close-allocators.ts'
import { makeContext } from './context.ts'
import { makeDatasources } from './datasources.ts'
import { makeEncoder } from './encode.ts'
import { makeErrors } from './errors.ts'
import { makeLog } from './log.ts'
import { posts } from './posts.ts'
import { capturePrimordials } from './primordials.ts'
import { makeScript } from './script.ts'

/** Error text, and one line of the log. */
const maxTextChars = 8192
/** Calls a script may have open at a time. */
const maxCallsInFlight = 8
/** Arguments of one call: statements and their parameters, not data. */
const maxArgumentChars = 16 * 1024 ** 2

/** Fields of a definition; everything else is the script's own business. */
const fields = [
  'title',
  'description',
  'parameters',
  'dependencies',
  'schedule',
  'limits',
  'database',
  'retries',
  'maxConcurrent',
]

const textOf = (part: (...given: never[]) => unknown): string => part.toString()

/**
 * Runs inside the isolate before the script, as a function body; `$0` posts. It is put together from
 * the text of functions that use nothing but their parameters, so that the code inside the isolate is
 * checked and formatted like any other. Nothing of a job is in it: it may run before there is one.
 */
export const guestSource = `'use strict'
const post = $0
const p = (${textOf(capturePrimordials)})(globalThis)
;(${textOf(closeAllocators)})(globalThis)
const errors = (${textOf(makeErrors)})(p, ${maxTextChars})
const encode = (${textOf(makeEncoder)})(p, errors)
const calls = (${textOf(makeCalls)})(p, post, encode, errors, { postCall: ${posts.call}, maxInFlight: ${maxCallsInFlight}, maxChars: ${maxArgumentChars} })
const log = (${textOf(makeLog)})(p, post, errors, { postLog: ${posts.log}, lineChars: ${maxTextChars} })
const makeDatasources = (${textOf(makeDatasources)})
const makeContext = (${textOf(makeContext)})
const script = (${textOf(makeScript)})(p, encode, errors, {
  done: (text) => post(${posts.done}, 0, '', text),
  failed: (error) => post(${posts.failed}, 0, '', p.stringify(error)),
  inspected: (text) => post(${posts.inspected}, 0, '', text),
})
p.define(globalThis, 'console', log.console, false)
const contextOf = (about, stopAt) => {
  const datasource = makeDatasources(p, calls.call, errors, about.datasources)
  return makeContext(p, post, calls.call, log, datasource, about, { postProgress: ${posts.progress}, stopAt })
}
return {
  limitLog: log.limit,
  define: script.define,
  inspect: (language, maxChars) => script.inspect('${JSON.stringify(fields)}', language, maxChars),
  run: (aboutText, parametersText, stopAt, maxChars) =>
    void script.run(contextOf(p.parse(aboutText), stopAt), parametersText, maxChars),
  choose: (aboutText, parametersText, stopAt, maxChars, parameter) =>
    void script.choose(contextOf(p.parse(aboutText), stopAt), parametersText, maxChars, parameter),
  deliver: calls.deliver,
}`
