/**
 * The few messages of the Postgres protocol (version 3) that Kiln sends itself. pg connects and
 * authenticates; after that Kiln speaks on the socket directly, because pg buffers a message of
 * any size before it looks at it, ends the whole process on some answers to COPY, and makes an
 * object of every row.
 */
function message(code: string, parts: readonly (Buffer | string)[]): Buffer {
  const body = parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part))
  const head = Buffer.alloc(5)
  head.write(code, 0, 'latin1')
  head.writeInt32BE(4 + body.reduce((sum, part) => sum + part.length, 0), 1)
  return Buffer.concat([head, ...body])
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A simple query; may hold several statements, so only ever Kiln's own text. */
export function queryMessage(sql: string): Buffer {
  return message('Q', [sql])
}

/** Exactly one statement into the unnamed prepared statement: several are an error of the server. */
export function parseMessage(sql: string): Buffer {
  return message('P', ['', sql, int16(0)])
}

export function describeStatementMessage(): Buffer {
  return message('D', [Buffer.from('S'), ''])
}

/** Binds parameters in text format, null as null; results come in text format. */
export function bindMessage(values: readonly (string | null)[]): Buffer {
  const parts: Buffer[] = []
  for (const value of values) {
    if (value === null) parts.push(int32(-1))
    else {
      const bytes = Buffer.from(value)
      parts.push(int32(bytes.length), bytes)
    }
  }
  return message('B', ['', '', int16(0), int16(values.length), ...parts, int16(0)])
}

/** Runs the bound statement; 0 means all rows. */
export function executeMessage(maxRows: number): Buffer {
  return message('E', ['', int32(maxRows)])
}

export function syncMessage(): Buffer {
  return message('S', [])
}

export function terminateMessage(): Buffer {
  return message('X', [])
}
