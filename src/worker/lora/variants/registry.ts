import { LINEAR } from "./linear/linear";
import type { Variant } from "./variant";

/** All variants. */
export const VARIANTS: readonly Variant[] = [LINEAR];
