/** A statement or value that Kiln itself does not accept; the message is meant for its author. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}
