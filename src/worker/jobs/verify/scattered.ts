import { toFloat32 } from "../../formats/convert";
import { float32, type Tensor } from "../../formats/tensor";
import { Random } from "../../numbers/random";
import { EPS_FLOAT32 } from "./tolerance";

/** The relative distance that float32 can just resolve: differences at this distance are rounding. */
export const BESIDE = 8 * EPS_FLOAT32;

/** The tensors with each value changed by up to this relative amount. */
export function scattered(tensors: ReadonlyMap<string, Tensor>, relative: number): ReadonlyMap<string, Tensor> {
  if (relative === 0) return tensors;
  const random = new Random(13);
  const move = (value: number) => value * (1 + random.uniform(-relative, relative));
  return new Map([...tensors].map(([name, tensor]) => [name, float32(tensor.shape, toFloat32(tensor).map(move))]));
}
