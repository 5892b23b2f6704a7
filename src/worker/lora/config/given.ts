import { UserError } from "../../formats/errors";
import type { GivenConfig } from "./config";

/** Ranks above this are a typing mistake: no published adapter comes near it. */
const MAX_RANK = 65536;

/** Throws a UserError on nonsense in a configuration that somebody gives, as options or in a dialog. */
export function checkGiven({ r, lora_alpha: alpha, lora_dropout: dropout }: GivenConfig): void {
  if (r !== undefined && (!Number.isInteger(r) || r < 1 || r > MAX_RANK)) {
    throw new UserError(`the rank must be a whole number, 1 or more, not ${r}; usual are 8 and 16`);
  }
  if (alpha !== undefined && !Number.isFinite(alpha)) {
    throw new UserError(`alpha must be a number, not ${alpha}; the rank or twice the rank is usual`);
  }
  if (dropout !== undefined && !(dropout >= 0 && dropout < 1)) {
    throw new UserError(`dropout must be at least 0 and below 1, not ${dropout}`);
  }
}
