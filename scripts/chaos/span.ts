/** A stretch of time, epoch milliseconds. */
export interface Span {
  readonly from: number
  readonly to: number
}
