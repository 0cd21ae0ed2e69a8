import { describe, expect, it } from 'vitest'
import {
  isRestoredTable as isBackedUpForRestore,
  ownTables,
} from '../../../src/core/backup/index.ts'
import {
  emptiedTables,
  keptTables,
  ownViews,
  restoredTables,
} from '../../../src/core/restore/postgres/table-roles.ts'

describe('every table', () => {
  it('is restored, emptied or kept: who adds one says which', () => {
    const known: string[] = [...restoredTables, ...emptiedTables, ...keptTables]
    const views: readonly string[] = ownViews
    expect(known.toSorted()).toEqual(ownTables().filter((name) => !views.includes(name)))
  })

  it('that is restored is in a set for that', () => {
    expect(restoredTables.filter((name) => !isBackedUpForRestore(name))).toEqual([])
  })
})
