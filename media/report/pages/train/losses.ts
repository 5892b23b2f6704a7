/** At most this many points are drawn: more than a wide screen has pixels is only slower. */
const MOST_POINTS = 800;

export type Point = readonly [step: number, loss: number];

/** The losses of all steps, thinned for drawing: the lowest and the highest of each stretch stay, so no spike is lost. */
export function thinned(losses: readonly number[], most = MOST_POINTS): Point[] {
  if (losses.length <= most) return losses.map((loss, index) => [index + 1, loss]);
  const points: Point[] = [];
  const stretches = Math.floor(most / 2);
  for (let stretch = 0; stretch < stretches; stretch++) {
    const from = Math.floor((stretch * losses.length) / stretches);
    const to = Math.floor(((stretch + 1) * losses.length) / stretches);
    let low = from;
    let high = from;
    for (let index = from + 1; index < to; index++) {
      if (losses[index]! < losses[low]!) low = index;
      if (losses[index]! > losses[high]!) high = index;
    }
    for (const index of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
      points.push([index + 1, losses[index]!]);
    }
  }
  return points;
}

/**
 * The exponential moving average of the losses, corrected for its start as Adam's moments are (arXiv 1412.6980,
 * section 3), at evenly spread steps. Its window grows with the run: about a hundredth of the steps.
 */
export function smoothed(losses: readonly number[], most = MOST_POINTS): Point[] {
  const keep = 1 - 1 / Math.max(2, losses.length / 100);
  const every = Math.max(1, losses.length / most);
  const points: Point[] = [];
  let average = 0;
  let weight = 0;
  let next = 0;
  for (const [index, loss] of losses.entries()) {
    if (Number.isFinite(loss)) {
      average = keep * average + (1 - keep) * loss;
      weight = keep * weight + (1 - keep);
    }
    if (weight > 0 && (index >= next || index === losses.length - 1)) {
      points.push([index + 1, average / weight]);
      next += every;
    }
  }
  return points;
}
