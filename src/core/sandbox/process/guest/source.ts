import { calledNames } from '../../contract.ts'
import { makeCalls } from './calls.ts'
import { closeAllocators } from './close-allocators.ts'
import { makeContext } from './context.ts'
import { makeDatasources } from './datasources.ts'
import { makeEncoder } from './encode.ts'
import { entries } from './entries.ts'
import { makeErrors } from './errors.ts'
import { makeLog } from './log.ts'
import { posts } from './posts.ts'
import { capturePrimordials } from './primordials.ts'
import { makeScript } from './script.ts'

/** The bridge in stacks: no script has such a name. */
export const bridgeFilename = '<kiln>'
/** Error text, and one line of the log. */
const maxTextChars = 8192
/** Calls a script may have open at a time. */
const maxCallsInFlight = 8
/** A timer each, in this process; more of them wait. */
const maxSleeps = 1000
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
 * Runs inside the isolate before the script; its value is the one way in, a function of an entry and
 * what that takes. It is put together from the text of functions that use nothing but their
 * parameters, so that the code inside the isolate is checked and formatted like any other. Nothing of
 * a job is in it: it may run before there is one.
 */
export const guestSource = `(function () {
'use strict'
const global = globalThis
let say
const post = (kind, id, name, text) => say(kind, id, name, text)
const p = (${textOf(capturePrimordials)})(global)
;(${textOf(closeAllocators)})(global)
const errors = (${textOf(makeErrors)})(p, ${maxTextChars})
const encode = (${textOf(makeEncoder)})(p, errors)
const calls = (${textOf(makeCalls)})(p, post, encode, errors, { __proto__: null, postCall: ${posts.call}, maxInFlight: ${maxCallsInFlight}, maxSleeps: ${maxSleeps}, maxChars: ${maxArgumentChars}, calledNames: { __proto__: null, ${JSON.stringify(calledNames).slice(1)} })
const log = (${textOf(makeLog)})(p, post, errors, { __proto__: null, postLog: ${posts.log}, lineChars: ${maxTextChars}, bridge: '${bridgeFilename}:' })
const script = (${textOf(makeScript)})(p, encode, errors, {
  __proto__: null,
  done: (text) => post(${posts.done}, 0, '', text),
  failed: (error) => post(${posts.failed}, 0, '', p.stringify(error)),
  inspected: (text) => post(${posts.inspected}, 0, '', text),
})
p.define(global, 'console', log.console, false)
const contextOf = (aboutText, stopAt) => {
  const datasourcesOf = (declared) => (${textOf(makeDatasources)})(p, calls.call, errors, declared)
  return (${textOf(makeContext)})(p, post, calls.call, log, datasourcesOf, aboutText, { __proto__: null, postProgress: ${posts.progress}, stopAt })
}
return (entry, a, b, c, d, e, f) => {
  switch (entry) {
    case ${entries.begin}:
      say = a
      log.limit(b, c)
      return
    case ${entries.inspect}:
      if (script.define(a)) script.inspect('${JSON.stringify(fields)}', b, c)
      return
    case ${entries.run}:
      if (script.define(a)) script.run(contextOf(b, d), c, e)
      return
    case ${entries.choose}:
      if (script.define(a)) script.choose(contextOf(b, d), c, e, f)
      return
    case ${entries.deliver}:
      calls.deliver(a, b, c)
  }
}
})()`
