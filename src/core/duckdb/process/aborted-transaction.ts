/** An earlier error has undone the job's transaction: whatever comes now would be lost. */
export class AbortedTransaction extends Error {
  override readonly name = 'AbortedTransaction'
}
