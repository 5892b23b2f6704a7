/** What can be trained of a model. */
export interface MethodRow {
  /** Name on screen. */
  readonly label: string;
  readonly description: string;
  /**
   * The default learning rate. An adapter wants about ten times a full fine-tune's learning rate (Schulman et al.,
   * "LoRA Without Regret", 2025).
   */
  readonly learningRate: number;
}

/** The first is the default. */
export const TRAIN_METHODS = {
  lora: { label: "LoRA", description: "only the adapters", learningRate: 1e-3 },
  head: { label: "Last layer only", description: "only the output head", learningRate: 1e-3 },
  full: { label: "Full fine-tuning", description: "every parameter", learningRate: 1e-4 },
} as const satisfies Record<string, MethodRow>;

export type TrainMethod = keyof typeof TRAIN_METHODS;
