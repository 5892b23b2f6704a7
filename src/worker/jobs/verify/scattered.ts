import { toFloat32 } from "../../formats/convert";
import { float32, type Tensor } from "../../formats/tensor";
import { Random } from "../../numbers/random";
import { EPS_FLOAT32 } from "./tolerance";

/** As far from values, relative to them, as float32 can just tell apart: what differs there is rounding. */
export const BESIDE = 8 * EPS_FLOAT32;

/** The tensors with each value moved by up to so much, relative to it. */
export function scattered(tensors: ReadonlyMap<string, Tensor>, relative: number): ReadonlyMap<string, Tensor> {
  if (relative === 0) return tensors;
  const random = new Random(13);
  const move = (value: number) => value * (1 + random.uniform(-relative, relative));
  return new Map([...tensors].map(([name, tensor]) => [name, float32(tensor.shape, toFloat32(tensor).map(move))]));
}
