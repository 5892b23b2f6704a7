import { CONVERT, type Initialization, refused } from "./initialization";

/** Words that PEFT knows and whose adapters cannot be loaded here. */

export const PISSA_ITERATIVE: Initialization = {
  name: '"pissa_niter_N"',
  takes: (value) => typeof value === "string" && value.startsWith("pissa_niter_"),
  identity: true,
  refused: true,
  refuse: (value) => {
    throw refused(
      value,
      "as it loads the adapter, PEFT subtracts a randomized SVD from each base weight, with other random numbers each time, so the weights it was trained on cannot be computed",
      CONVERT,
    );
  },
};

export const CORDA: Initialization = {
  name: '"corda"',
  takes: (value) => typeof value === "string" && value.startsWith("corda"),
  identity: true,
  refused: true,
  refuse: (value) => {
    throw refused(
      value,
      "what CorDA subtracts from the base comes from data that the adapter does not hold, and PEFT cannot load it without",
      CONVERT,
    );
  },
};

export const LOFTQ: Initialization = {
  name: '"loftq"',
  takes: (value) => value === "loftq",
  identity: true,
  refused: true,
  refuse: (value) => {
    throw refused(
      value,
      "as it loads the adapter, PEFT replaces the base weights by what bitsandbytes makes of them on a GPU, which is not computed here",
      'save the replaced base with PEFT (model.unload().save_pretrained(...)), set "init_lora_weights" to true in the configuration, and use both',
    );
  },
};
