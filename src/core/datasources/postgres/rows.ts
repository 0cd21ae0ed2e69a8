import { KilnError } from '../../errors/index.ts'
import { bindMessage, executeMessage, syncMessage } from './messages.ts'
import type { RowText } from './row-text.ts'
import type { Session } from './session.ts'
import { serverCode } from './wire.ts'

/**
 * Runs the statement the session parsed, up to `maxRows` of it (0: all), and adds its rows. True
 * when there may be more. A value that cannot be mapped ends the connection: the rest of the rows
 * would have to be received for nothing.
 */
export async function executeRows(
  session: Session,
  rows: RowText,
  options: { readonly bind?: readonly (string | null)[]; readonly maxRows: number },
): Promise<boolean> {
  let isSuspended = false
  const bind = options.bind ? [bindMessage(options.bind)] : []
  await session.exchange(
    [...bind, executeMessage(options.maxRows), syncMessage()],
    (code, body) => {
      if (code === serverCode.dataRow) rows.add(body)
      else if (code === serverCode.portalSuspended) isSuspended = true
      else if (code === serverCode.copyOutResponse || code === serverCode.copyInResponse) {
        // Not reached by statements that pass the check; the protocol has no other way out.
        throw new KilnError('DATASOURCE_ERROR', 'COPY cannot be sent to a datasource')
      }
    },
  )
  return isSuspended
}
