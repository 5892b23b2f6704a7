import { CONVERT, type Initialization, refused } from "./initialization";
import { PISSA } from "./pissa";

/** Values that PEFT knows but whose adapters cannot be loaded here. */

export const PISSA_ITERATIVE: Initialization = {
  name: '"pissa_niter_N"',
  takes: (value) => typeof value === "string" && value.startsWith("pissa_niter_"),
  begins: PISSA.begins,
  identity: true,
  refused: true,
  refuse: (value) => {
    throw refused(
      value,
      "when PEFT loads the adapter, it subtracts a randomized SVD from each base weight, with different random numbers each time, so the weights it was trained on cannot be computed",
      CONVERT,
    );
  },
};

export const CORDA: Initialization = {
  name: '"corda"',
  takes: (value) => typeof value === "string" && value.startsWith("corda"),
  begins: { a: "directions of W₀ that data weighs", b: "directions of W₀ that data weighs" },
  identity: true,
  refused: true,
  refuse: (value) => {
    throw refused(
      value,
      "CorDA changes the base weights by data that the adapter does not contain, and PEFT cannot load it without this data",
      CONVERT,
    );
  },
};

export const LOFTQ: Initialization = {
  name: '"loftq"',
  takes: (value) => value === "loftq",
  begins: { a: "fitted to the quantization error", b: "fitted to the quantization error" },
  identity: true,
  refused: true,
  refuse: (value) => {
    throw refused(
      value,
      "when PEFT loads the adapter, it replaces the base weights by their bitsandbytes quantization, computed on a GPU, which LoRA Lens does not compute",
      'save the replaced base with PEFT (model.unload().save_pretrained(...)), set "init_lora_weights" to true in the configuration, and use both',
    );
  },
};
