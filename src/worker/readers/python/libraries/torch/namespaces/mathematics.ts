import type { PyNamespace, PyNative } from "../../../values/values";
import { norm } from "../functions/reductions";
import { axesArg, boolArg, isNumber, numberOf } from "../registry/arguments";
import { native } from "../registry/native";
import { nodeArg, torchFunctions } from "../registry/table";
import { wrap } from "../tensor/tensor";

import { namespace, picked } from "./wrappers";

/** torch.linalg and torch.special. */

export function makeLinalg(): PyNamespace {
  return namespace("torch.linalg", [
    ["norm", vectorNorm("norm")],
    ["vector_norm", vectorNorm("vector_norm")],
    [
      "cross",
      native("cross", "input, other, *, dim=-1", (args, runtime) => torchFunctions.get("cross")!.body(args, runtime)),
    ] as const,
    ...picked("matmul", "multi_dot"),
  ]);
}

export function makeSpecial(): PyNamespace {
  return namespace(
    "torch.special",
    picked(
      "expit",
      "erf",
      "erfc",
      "erfinv",
      "log1p",
      "expm1",
      "exp2",
      "softmax",
      "log_softmax",
      "logsumexp",
      "logit",
      "sinc",
      "xlogy",
    ),
  );
}

function vectorNorm(name: string): PyNative {
  return native(name, "x, ord=2, dim=None, keepdim=False, *, dtype=None", (args, runtime) => {
    const x = nodeArg(args, "x", runtime);
    const p = isNumber(args.ord) ? numberOf(args.ord) : 2;
    return wrap(norm(x, p, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim")));
  });
}
