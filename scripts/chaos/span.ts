/** A period of time, in epoch milliseconds. */
export interface Span {
  readonly from: number
  readonly to: number
}
