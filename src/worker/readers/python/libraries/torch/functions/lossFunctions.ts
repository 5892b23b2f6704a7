import { type BoundArgs, PyTensor, type Runtime, type Value } from "../../../values/values";
import { boolArg, given, numberArg, optionalTensor, stringArg } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { nodeOf, wrap } from "../tensor/tensor";
import { reductionOf } from "./losses";
import { LOSSES, type LossOptions, REFUSED_LOSSES, refusedLoss } from "./marginLosses";

/** The losses of torch.nn.functional that torch.nn has as layers too. */

export function calledOnTensors(fn: Value | undefined, args: readonly Parameters<typeof wrap>[0][], runtime: Runtime) {
  if (fn === null || fn === undefined) return undefined;
  const result = runtime.call(fn, args.map(wrap));
  return result instanceof PyTensor ? nodeOf(result, runtime) : undefined;
}

function optionsOf(args: BoundArgs, runtime: Runtime): LossOptions {
  return {
    number: (name) => numberArg(args, name),
    flag: (name) => boolArg(args, name),
    text: (name) => (name === "reduction" ? reductionOf(args) : stringArg(args, name)),
    tensor: (name) => {
      const tensor = given(args, name) ? optionalTensor(args, name) : undefined;
      return tensor && nodeOf(tensor, runtime);
    },
    call: (name, nodes) => calledOnTensors(args[name], nodes, runtime),
  };
}

for (const { names, inputs, options, compute } of LOSSES) {
  define(["F"], names[0], `${inputs}, ${options[0]}`, (args, runtime) =>
    compute(
      inputs.split(", ").map((name) => nodeArg(args, name, runtime)),
      optionsOf(args, runtime),
    ),
  );
}
for (const [name] of REFUSED_LOSSES) {
  define(["F"], name, "*args, **kwargs", () => {
    throw refusedLoss(name);
  });
}
