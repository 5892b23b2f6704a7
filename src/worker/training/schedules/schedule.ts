/** How the learning rate changes over a training. */
export interface Schedule {
  /** As requests and the command line name it. */
  readonly id: string;
  /** Name on screen. */
  readonly label: string;
  /** What the learning rate is multiplied by at a step, counted from 1, of so many in all. */
  factor(step: number, steps: number): number;
}
