import type { CsvPart } from '../contract.ts'
import { CsvTable } from './csv-table.ts'
import { Refusal } from './refusal.ts'
import { type Session, Turn } from './session.ts'
import type { Transaction } from './transaction.ts'

interface OpenLoad {
  readonly session: Session
  readonly table: CsvTable
  readonly release: () => void
}

/** The loads under way; each holds the session in which its table grows. */
export class Loads {
  readonly #open = new Map<number, OpenLoad>()
  readonly #transaction: Transaction

  constructor(transaction: Transaction) {
    this.#transaction = transaction
  }

  async begin(id: number, turn: Turn, session: Session, name: string): Promise<null> {
    const table = new CsvTable(name, this.#transaction)
    const release = await session.hold(turn)
    try {
      await session.runHeld(turn, (connection) => table.begin(connection))
    } catch (error) {
      release()
      throw error
    }
    this.#open.set(id, { session, table, release })
    return null
  }

  async add(id: number, turn: Turn, part: CsvPart): Promise<null> {
    const { session, table } = this.#find(id)
    await session.runHeld(turn, (connection) => table.add(connection, part))
    return null
  }

  async finish(id: number, turn: Turn, rowCount: number): Promise<{ rowCount: number }> {
    const { session, table, release } = this.#find(id)
    const result = await session.runHeld(turn, (connection) => table.finish(connection, rowCount))
    this.#open.delete(id)
    release()
    return result
  }

  async abandon(id: number): Promise<null> {
    const load = this.#open.get(id)
    if (!load) return null
    this.#open.delete(id)
    try {
      await load.session.runHeld(new Turn(), (connection) => load.table.rollBack(connection))
    } finally {
      load.release()
    }
    return null
  }

  #find(id: number): OpenLoad {
    const load = this.#open.get(id)
    if (!load) throw new Refusal('there is no such load')
    return load
  }
}
