import { adam, adamw } from "./adam";
import type { Optimizer, OptimizerRow } from "./optimizer";

/** The optimizers to choose from; the first is the default. */
export const OPTIMIZERS: readonly [OptimizerRow, ...OptimizerRow[]] = [adamw, adam];

/** The default with its own options. */
export const defaultOptimizer = (): Optimizer => OPTIMIZERS[0].make({});
