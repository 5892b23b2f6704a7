import { uniform } from "./draws";
import { CONVERT, type Initialization } from "./initialization";

/** PEFT's default: B is zero, so that injection changes nothing. */
export const UNIFORM: Initialization = {
  name: "true",
  takes: (value) => value === undefined || value === true,
  begins: { a: "Kaiming uniform", b: "zeros" },
  identity: true,
  draw: uniform,
};

/** Without the data that it begins from, EVA is PEFT's default. */
export const EVA: Initialization = { ...UNIFORM, name: '"eva"', takes: (value) => value === "eva" };

export const LORA_GA: Initialization = {
  ...UNIFORM,
  name: '"lora_ga"',
  takes: (value) => value === "lora_ga",
  warning: `init_lora_weights is "lora_ga": as in PEFT, the adapter is added to the given base weights. This is right only if they were saved after LoRA-GA changed them. For the original weights, ${CONVERT}.`,
};
