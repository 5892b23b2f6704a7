import { UserError } from "../../formats/errors";
import type { Pause } from "../../numbers/algebra/matrix";
import type { ChangedWeight, Initialization, Sized, StoredWeight } from "./initialization";

/** What PEFT leaves of a weight when it loads an adapter with an initialization that changes the base. */
export async function changedWeight(
  { name, change }: Initialization & Required<Pick<Initialization, "change">>,
  weight: StoredWeight,
  adapter: Sized,
  pause: Pause,
  onProgress: (fraction: number) => void = () => {},
): Promise<ChangedWeight> {
  if (!weight.matrix.data.every(Number.isFinite)) {
    throw new UserError(
      `the base weight ${weight.path} has values that are not finite, so init_lora_weights ${name} cannot be computed from it; use other base weights`,
    );
  }
  return change(weight, adapter, pause, onProgress);
}

/** Whether the initialization changes the base. */
export function changesBase(row: Initialization): row is Initialization & Required<Pick<Initialization, "change">> {
  return row.change !== undefined;
}
