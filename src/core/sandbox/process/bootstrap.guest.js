// Runs inside the isolate before the script, as a function body: $0 is `post(kind, id, text)`, the
// one way out; $1 the configuration. Everything it uses later is captured here, since the script may
// change every global. Returns what the process calls.
'use strict'
const post = $0
const config = $1
const G = globalThis
const {
  Promise: P,
  Error: E,
  TypeError: TE,
  RangeError: RE,
  JSON: J,
  Map: M,
  WeakMap: WM,
  Object: O,
} = G
const { Array: A, String: S, Number: N, Reflect: R, Symbol: Y, Date: D, Set: ST } = G
const uncurry = (method) => G.Function.prototype.call.bind(method)
const mapGet = uncurry(M.prototype.get)
const mapSet = uncurry(M.prototype.set)
const mapDelete = uncurry(M.prototype.delete)
const weakGet = uncurry(WM.prototype.get)
const weakSet = uncurry(WM.prototype.set)
const setAdd = uncurry(ST.prototype.add)
const setHas = uncurry(ST.prototype.has)
const setDelete = uncurry(ST.prototype.delete)
const then = uncurry(P.prototype.then)
const slice = uncurry(S.prototype.slice)
const tagOf = uncurry(O.prototype.toString)
const hasOwn = uncurry(O.prototype.hasOwnProperty)
const dateValue = uncurry(D.prototype.getTime)
const dateText = uncurry(D.prototype.toISOString)
const { parse, stringify } = J
const { apply, construct } = R
const { create, defineProperty, freeze, keys, isFrozen } = O
const isArray = A.isArray
const isFinite = N.isFinite
const asyncIterator = Y.asyncIterator

// Allocators that ignore the memory limit of the isolate.
delete G.WebAssembly
delete G.SharedArrayBuffer
delete G.Atomics
const NativeArrayBuffer = G.ArrayBuffer
const GuestArrayBuffer = function ArrayBuffer(length) {
  if (!new.target) throw new TE("Constructor ArrayBuffer requires 'new'")
  return construct(NativeArrayBuffer, [length], new.target)
}
O.defineProperties(GuestArrayBuffer, {
  prototype: { value: NativeArrayBuffer.prototype, writable: false },
  isView: { value: NativeArrayBuffer.isView, writable: true, configurable: true },
  length: { value: 1 },
  [Y.species]: {
    get() {
      return this
    },
    configurable: true,
  },
})
defineProperty(NativeArrayBuffer.prototype, 'constructor', {
  value: GuestArrayBuffer,
  writable: true,
  configurable: true,
})
delete NativeArrayBuffer.prototype.resize
delete NativeArrayBuffer.prototype.transfer
delete NativeArrayBuffer.prototype.transferToFixedLength
defineProperty(G, 'ArrayBuffer', { value: GuestArrayBuffer, writable: true, configurable: true })

// Values become text here, inside, so that no object of the script crosses the border.
class Unserializable extends TE {}
const refuse = (path, what) => {
  throw new Unserializable(path + ' is ' + what + ', which JSON cannot hold')
}
const opaque = new ST([
  'Map',
  'Set',
  'WeakMap',
  'WeakSet',
  'WeakRef',
  'Promise',
  'RegExp',
  'ArrayBuffer',
  'DataView',
  'Error',
  'Generator',
  'AsyncGenerator',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'Float16Array',
  'BigInt64Array',
  'BigUint64Array',
])
const plainKey = (key) => {
  for (let i = 0; i < key.length; i++) {
    const c = key[i]
    if (
      !(
        (c >= 'a' && c <= 'z') ||
        (c >= 'A' && c <= 'Z') ||
        c === '_' ||
        c === '$' ||
        (i > 0 && c >= '0' && c <= '9')
      )
    )
      return false
  }
  return key.length > 0
}
const member = (path, key) => path + (plainKey(key) ? '.' + key : '[' + stringify(key) + ']')
const check = (value, path, parents, state) => {
  switch (typeof value) {
    case 'number':
      if (!isFinite(value)) refuse(path, S(value))
      return
    case 'bigint':
      state.hasBigint = true
      return
    case 'function':
      refuse(path, 'a function')
      return
    case 'symbol':
      refuse(path, 'a symbol')
      return
    case 'object':
      break
    default:
      return
  }
  if (value === null) return
  if (setHas(parents, value)) refuse(path, 'part of a cycle')
  if (++state.depth > 2000) refuse(path, 'nested more than 2000 deep')
  setAdd(parents, value)
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i]
      if (item !== null && typeof item !== 'string' && typeof item !== 'boolean')
        check(item, path + '[' + i + ']', parents, state)
    }
  } else {
    const tag = slice(tagOf(value), 8, -1)
    if (tag === 'Date') {
      let time
      try {
        time = dateValue(value)
      } catch {
        time = 0
      }
      if (time !== time) refuse(path, 'an invalid date')
    } else if (typeof value.toJSON === 'function') {
      check(value.toJSON(''), path, parents, state)
    } else {
      if (setHas(opaque, tag)) refuse(path, 'a ' + tag)
      const names = keys(value)
      for (let i = 0; i < names.length; i++) {
        const inner = value[names[i]]
        if (
          inner !== null &&
          typeof inner !== 'string' &&
          typeof inner !== 'boolean' &&
          inner !== undefined
        )
          check(inner, member(path, names[i]), parents, state)
      }
    }
  }
  setDelete(parents, value)
  state.depth--
}
const encode = (value, path) => {
  const state = { depth: 0, hasBigint: false }
  check(value, path, new ST(), state)
  const text = state.hasBigint
    ? stringify(value, (_key, inner) => (typeof inner === 'bigint' ? S(inner) : inner))
    : stringify(value)
  return text === undefined ? 'null' : text
}

// Errors: nothing of a thrown value is trusted, each field is read on its own.
const hostErrors = new WM()
const readText = (value, field) => {
  try {
    const text = value[field]
    return typeof text === 'string' ? slice(text, 0, config.errorChars) : ''
  } catch {
    return ''
  }
}
const describe = (thrown) => {
  if ((typeof thrown !== 'object' && typeof thrown !== 'function') || thrown === null) {
    let message = 'a value that cannot be shown'
    try {
      message = slice(S(thrown), 0, config.errorChars)
    } catch {}
    return { name: '', message, stack: '', code: '' }
  }
  let code = ''
  try {
    code =
      weakGet(hostErrors, thrown) ||
      (thrown instanceof Unserializable ? 'result_not_serializable' : '')
  } catch {}
  return {
    name: readText(thrown, 'name'),
    message: readText(thrown, 'message'),
    stack: readText(thrown, 'stack'),
    code,
  }
}

// Host calls.
const pending = new M()
let lastId = 0
let inFlight = 0
const queue = []
let queueStart = 0
const send = (entry) => {
  inFlight++
  mapSet(pending, entry.id, entry)
  post(entry.operation, entry.id, entry.text)
}
const call = (operation, args) =>
  new P((resolve, reject) => {
    // Made now, while the script's own line is on the stack.
    const error = new E('')
    let text
    try {
      text = encode(args, operation)
    } catch (problem) {
      reject(problem)
      return
    }
    if (text.length > config.argumentChars) {
      reject(
        new RE(
          'ctx.' +
            operation +
            ': the arguments are larger than ' +
            config.argumentChars +
            ' characters',
        ),
      )
      return
    }
    const entry = { id: ++lastId, operation: 'call:' + operation, text, resolve, reject, error }
    if (inFlight < config.callsInFlight) send(entry)
    else
      defineProperty(queue, queue.length, {
        value: entry,
        writable: true,
        enumerable: true,
        configurable: true,
      })
  })
const fill = (error, message, code) => {
  const frames = readText(error, 'stack')
  let start = 0
  while (start < frames.length && frames[start] !== '\n') start++
  defineProperty(error, 'message', {
    value: message,
    writable: true,
    configurable: true,
    enumerable: false,
  })
  defineProperty(error, 'stack', {
    value: 'Error: ' + message + slice(frames, start),
    writable: true,
    configurable: true,
    enumerable: false,
  })
  if (code) {
    defineProperty(error, 'code', {
      value: code,
      writable: true,
      configurable: true,
      enumerable: true,
    })
    weakSet(hostErrors, error, code)
  }
  return error
}

// console and ctx.log.
const show = (value) => {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null) {
    try {
      if (value instanceof E) return readText(value, 'stack') || readText(value, 'message')
      const text = stringify(value, (_key, inner) => (typeof inner === 'bigint' ? S(inner) : inner))
      return text === undefined ? '[object]' : text
    } catch {
      return '[cannot be shown]'
    }
  }
  try {
    return S(value)
  } catch {
    return '[cannot be shown]'
  }
}
let loggedLines = 0
const logger =
  (level) =>
  (...values) => {
    // Past the limits only the count matters; the text is not built.
    if (++loggedLines > config.logLines) {
      post('log', level, '')
      return
    }
    let line = ''
    for (let i = 0; i < values.length && line.length <= config.lineChars; i++)
      line += (i > 0 ? ' ' : '') + show(values[i])
    post(
      'log',
      level,
      line.length > config.lineChars ? slice(line, 0, config.lineChars) + '…' : line,
    )
  }
const debug = logger(0)
const info = logger(1)
const warn = logger(2)
const error = logger(3)
const console = create(null)
console.debug = debug
console.trace = debug
console.log = info
console.info = info
console.warn = warn
console.error = error
defineProperty(G, 'console', { value: freeze(console), writable: true, configurable: true })

const makeContext = (about) => {
  const log = (...values) => info(...values)
  log.debug = debug
  log.info = info
  log.warn = warn
  log.error = error
  const source = (name) => {
    const query = (sql, params, options) =>
      call('datasource.query', { name, sql, params, exact: options?.exact })
    const stream = (sql, params, batchSize) => ({
      [asyncIterator]: async function* () {
        const { cursor } = await call('datasource.open', { name, sql, params, batchSize })
        try {
          for (;;) {
            const page = await call('datasource.fetch', { cursor })
            for (let i = 0; i < page.rows.length; i++) yield page.rows[i]
            if (page.done) return
          }
        } finally {
          await call('datasource.close', { cursor })
        }
      },
    })
    return freeze({ query, stream })
  }
  const datasource = create(null)
  for (let i = 0; i < about.datasources.length; i++)
    datasource[about.datasources[i]] = source(about.datasources[i])
  if (!hasOwn(datasource, 'query'))
    datasource.query = (name, sql, params, options) =>
      call('datasource.query', { name, sql, params, exact: options?.exact })
  if (!hasOwn(datasource, 'stream'))
    datasource.stream = (name, sql, params, batchSize) =>
      source(name).stream(sql, params, batchSize)
  const declared = freeze(datasource)
  const known = new G.Proxy(declared, {
    get(target, key) {
      if (typeof key !== 'string' || hasOwn(target, key) || key === 'then' || key === 'toJSON')
        return target[key]
      throw fill(
        new E(''),
        'datasource "' + key + '" is not declared in dependencies.datasources',
        'dependency_error',
      )
    },
  })
  const exactOf = (options) => options?.exact
  const context = {
    job: freeze(about.job),
    analysis: freeze(about.analysis),
    project: freeze(about.project),
    now: about.now,
    datasource: known,
    duckdb: freeze({
      query: (sql, params, options) =>
        call('duckdb.query', { sql, params, exact: exactOf(options) }),
      exec: (sql, params) => call('duckdb.exec', { sql, params }),
      load: (name, sql, table, params) =>
        call('duckdb.load', { datasource: name, sql, table, params }),
      export: (table, file) => call('duckdb.export', { table, file }),
      tables: () => call('duckdb.tables', {}),
      describe: (table) => call('duckdb.describe', { table }),
    }),
    runAnalysis: (name, params) => call('analysis.run', { name, params }),
    metadata: freeze({
      get: (key) => call('metadata.get', { key }),
      set: (key, value) => call('metadata.set', { key, value }),
    }),
    log: freeze(log),
    debug,
    info,
    warn,
    error,
    progress: (fraction, message) => {
      const part = N(fraction)
      if (!isFinite(part)) throw new RE('ctx.progress: the fraction is not a number from 0 to 1')
      post(
        'progress',
        0,
        stringify([
          part < 0 ? 0 : part > 1 ? 1 : part,
          message === undefined || message === null ? null : slice(S(message), 0, 1000),
        ]),
      )
    },
    sleep: (ms) => call('sleep', { ms: N(ms) }),
    shouldStop: () => false,
  }
  return freeze(context)
}

// The script.
let definition
let start
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
const finish = (kind, text) => post(kind, 0, text)
const fail = (thrown) => finish('failed', stringify(describe(thrown)))
const misdefined = (message) =>
  finish(
    'failed',
    stringify({ name: 'DefinitionError', message, stack: '', code: 'definition_error' }),
  )
const readDefault = (namespace) => {
  try {
    return namespace.default
  } catch {
    return undefined
  }
}
return {
  /** Takes the module's exports; false when they are no analysis, which has been said then. */
  define(namespace) {
    const exported = readDefault(namespace)
    if (typeof exported === 'function') {
      definition = { form: 'function', holder: namespace }
      start = (context, parameters) => apply(exported, undefined, [parameters, context])
      return true
    }
    if (typeof exported === 'object' && exported !== null) {
      const run = exported.run
      if (typeof run !== 'function') {
        misdefined(
          'the default export has no run function: write export default { async run(ctx, params) { … } }',
        )
        return false
      }
      definition = { form: 'object', holder: exported }
      start = (context, parameters) => apply(run, exported, [context, parameters])
      return true
    }
    misdefined(
      'the script has no default export: write export default { async run(ctx, params) { … } }, or export default function analyze(params, ctx) { … }',
    )
    return false
  },
  /** Posts what the script declares, functions replaced by a mark. */
  inspect() {
    try {
      const declared = create(null)
      for (let i = 0; i < fields.length; i++) {
        const value = definition.holder[fields[i]]
        if (value !== undefined) declared[fields[i]] = value
      }
      const text = stringify(declared, (_key, inner) =>
        typeof inner === 'function'
          ? { $function: true }
          : typeof inner === 'bigint'
            ? S(inner)
            : inner,
      )
      if (text.length > config.definitionChars)
        throw new RE('the definition is larger than ' + config.definitionChars + ' characters')
      finish('inspected', '{"form":"' + definition.form + '","declared":' + text + '}')
    } catch (thrown) {
      const about = describe(thrown)
      about.code = 'definition_error'
      finish('failed', stringify(about))
    }
  },
  run(aboutText, parametersText) {
    let outcome
    try {
      const context = makeContext(parse(aboutText))
      const parameters = parse(parametersText)
      outcome = (async () => await start(context, parameters))()
    } catch (thrown) {
      fail(thrown)
      return
    }
    then(
      outcome,
      (value) => {
        let text
        try {
          text = encode(value, 'result')
        } catch (thrown) {
          const about = describe(thrown)
          if (about.code === '') about.code = 'result_not_serializable'
          finish('failed', stringify(about))
          return
        }
        finish('done', text)
      },
      fail,
    )
  },
  deliver(id, ok, text) {
    const entry = mapGet(pending, id)
    if (!entry) return
    mapDelete(pending, id)
    inFlight--
    if (queueStart < queue.length) {
      const next = queue[queueStart]
      queue[queueStart++] = undefined
      send(next)
    }
    if (ok) {
      entry.resolve(parse(text))
      return
    }
    const { code, message } = parse(text)
    entry.reject(fill(entry.error, message, code))
  },
}
