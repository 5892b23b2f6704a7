import { LINEAR } from "./linear/linear";
import type { Variant } from "./variant";

/** Every variant that there is. */
export const VARIANTS: readonly Variant[] = [LINEAR];
