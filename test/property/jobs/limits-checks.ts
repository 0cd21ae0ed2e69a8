import { expect } from 'vitest'
import { type Row, isLimited } from './limits-rows.ts'

/** Each job is in one of the states that a job may be in; `held` are those that operators hold. */
export function checkStates(rows: readonly Row[], held: ReadonlySet<string>): void {
  for (const row of rows) {
    const isPending = row.status === 'pending'
    if (row.waits_for_slot) {
      expect(row).toMatchObject({ status: 'pending', ready: false, holds_slot: false })
      expect(row.waiting_reason).not.toBe(null)
    }
    if (row.holds_slot) expect(row.status === 'running' || (isPending && row.ready)).toBe(true)
    if (!isPending) continue
    if (held.has(row.id)) {
      expect(row).toMatchObject({ ready: false, waits_for_slot: false, waiting_reason: 'held' })
    } else {
      expect(row.ready).toBe(!row.waits_for_slot)
      expect(row.waiting_reason).not.toBe('held')
    }
    // A slot is for those that may run now.
    if (row.holds_slot) expect(row.is_due).toBe(true)
    if (row.ready && isLimited(row)) expect(row.holds_slot).toBe(true)
  }
}

/** No analysis and no project has more slots in use than its limit, or than before. */
export function checkLimits(before: readonly Row[], rows: readonly Row[]): void {
  const limits = [
    ...new Set(rows.map((row) => row.analysis_id)).values().map((id) => ({
      id,
      of: (row: Row) => row.analysis_id === id && row.analysis_limit,
    })),
    ...new Set(rows.map((row) => row.project_id)).values().map((id) => ({
      id,
      of: (row: Row) => row.project_id === id && !row.is_child && row.project_limit,
    })),
  ]
  for (const { id, of } of limits) {
    const held = rows.filter((row) => row.holds_slot && of(row))
    const most = held.map(of).find((value) => typeof value === 'number') ?? 0
    if (held.length <= most) continue
    const heldBefore = before.filter((row) => row.holds_slot && of(row))
    expect({ id, held: held.length <= heldBefore.length }).toEqual({ id, held: true })
  }
}

/**
 * Right after an admission: every due job that waits has a limit that is full. `requested` are the
 * analyses of children that wait for a slot.
 */
export function checkNobodyWaitsInVain(rows: readonly Row[], requested: readonly string[]): void {
  for (const row of rows.filter(({ waits_for_slot, is_due }) => waits_for_slot && is_due)) {
    const ofAnalysis =
      rows.filter(({ holds_slot, analysis_id }) => holds_slot && analysis_id === row.analysis_id)
        .length + requested.filter((id) => id === row.analysis_id).length
    const ofProject = rows.filter(
      ({ holds_slot, is_child, project_id }) =>
        holds_slot && !is_child && project_id === row.project_id,
    ).length
    const isFull =
      ofAnalysis >= (row.analysis_limit ?? Infinity) || ofProject >= (row.project_limit ?? Infinity)
    expect({ row, ofAnalysis, ofProject, isFull }).toMatchObject({ isFull: true })
  }
}
