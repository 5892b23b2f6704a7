import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { typeName } from "../../../values/types";
import { EvaluationError, Unknown } from "../../../values/unknown";
import {
  type BoundArgs,
  PyClass,
  PyError,
  PyNamespace,
  PyNative,
  PyObject,
  PyTensor,
  PyTuple,
  type Runtime,
  type Value,
} from "../../../values/values";
import { arithmetic, type Number as RealNumber } from "../functions/arithmetic";
import { atan2 } from "../functions/mathematics";
import { isNumber, sequenceOf, tensorArg, tuple } from "../registry/arguments";
import { guarded } from "../registry/native";
import { define, tensorMethods, torchFunctions } from "../registry/table";
import { tensorSetIndex } from "./assignment";
import { tensorIndex } from "./indexing";
import { listableTensors } from "./listable";
import { nodeOf, wrap } from "./tensor";
import { tensorClass } from "./tensorClass";

/**
 * Complex tensors, as rotary embeddings use them: a pair of real tensors, on which what moves elements works one by one
 * and arithmetic as for complex numbers. A graph has real numbers only; what is not defined here is refused.
 */

export const complexClass = new PyClass("ComplexTensor", [tensorClass], new Map(), undefined, {});
complexClass.mro = [complexClass, ...tensorClass.mro];

/** torch.complex64: no dtype of a graph. */
export const complexDType = new PyNamespace("torch.complex64", new Map<string, Value>([["is_complex", true]]));

interface Parts {
  readonly re: PyTensor;
  readonly im: PyTensor;
}

export function complexOf(re: PyTensor, im: PyTensor, runtime: Runtime): PyObject {
  const object = new PyObject(complexClass, runtime.place);
  const shape = runtime.getAttribute(re, "shape");
  for (const [name, value] of [
    ["real", re],
    ["imag", im],
    ["shape", shape],
    ["ndim", re.shape.length],
    ["dtype", complexDType],
    ["device", runtime.getAttribute(re, "device")],
    ["requires_grad", false],
  ] as const) {
    object.attributes.set(name, value);
  }
  return object;
}

export function partsOf(value: Value | undefined): Parts | undefined {
  if (!(value instanceof PyObject) || value.type !== complexClass) return undefined;
  const [re, im] = [value.attributes.get("real"), value.attributes.get("imag")];
  return re instanceof PyTensor && im instanceof PyTensor ? { re, im } : undefined;
}

function requireParts(value: Value | undefined): Parts {
  const parts = partsOf(value);
  if (parts) return parts;
  throw new PyError("TypeError", `expected a complex tensor, not ${typeName(value ?? null)}`);
}

// Elements moved: each part by itself

/** Methods whose result on a complex tensor is the same on both parts: they move elements, or are linear in them. */
const PARTWISE = [
  ...["view", "reshape", "permute", "transpose", "swapaxes", "swapdims", "t", "unsqueeze", "squeeze", "flatten"],
  ...["unflatten", "expand", "repeat", "repeat_interleave", "movedim", "narrow", "select", "index_select", "split"],
  ...[
    "chunk",
    "unbind",
    "roll",
    "flip",
    "contiguous",
    "clone",
    "detach",
    "cpu",
    "cuda",
    "sum",
    "mean",
    "cumsum",
    "tile",
  ],
];
/** The two results, of which each may be a tensor or several. */
function joined(re: Value, im: Value, runtime: Runtime): Value {
  if (re instanceof PyTensor && im instanceof PyTensor) return complexOf(re, im, runtime);
  const [left, right] = [sequenceOf(re), sequenceOf(im)];
  if (left && right) return new PyTuple(left.map((part, i) => joined(part, right[i]!, runtime)));
  return re instanceof Unknown ? re : im;
}
function onParts(entry: PyNative, args: BoundArgs, first: string, runtime: Runtime): Value {
  const { re, im } = requireParts(args[first]);
  return joined(entry.body({ ...args, [first]: re }, runtime), entry.body({ ...args, [first]: im }, runtime), runtime);
}
for (const name of PARTWISE) {
  for (const [table, member] of [
    [tensorMethods, true],
    [torchFunctions, false],
  ] as const) {
    const entry = table.get(name);
    if (!entry) continue;
    const first = entry.signature.split(",")[0]!.trim();
    const both = (args: BoundArgs, runtime: Runtime): Value =>
      partsOf(args[first]) ? onParts(entry, args, first, runtime) : entry.body(args, runtime);
    const native = new PyNative(name, entry.signature, both);
    if (member) complexClass.members.set(name, native);
    else table.set(name, native);
  }
}
for (const name of ["cat", "concat", "stack"]) {
  const entry = torchFunctions.get(name)!;
  torchFunctions.set(
    name,
    new PyNative(name, entry.signature, (args, runtime) => {
      const items = sequenceOf(args.tensors) ?? [];
      if (!items.some((item) => partsOf(item))) return entry.body(args, runtime);
      const parts = items.map(requireParts);
      const side = (which: keyof Parts): Value =>
        entry.body({ ...args, tensors: tuple(parts.map((p) => p[which])) }, runtime);
      return joined(side("re"), side("im"), runtime);
    }),
  );
}

// Arithmetic

type Operand = Parts | { readonly re: PyTensor | RealNumber; readonly im: undefined };

function operandOf(value: Value | undefined): Operand | undefined {
  const parts = partsOf(value);
  if (parts) return parts;
  return value instanceof PyTensor || isNumber(value) ? { re: value, im: undefined } : undefined;
}

function compute(op: "add" | "sub" | "mul" | "div", a: Operand, b: Operand, runtime: Runtime): [Node, Node] {
  const real = (which: typeof op, x: Node | PyTensor | RealNumber, y: Node | PyTensor | RealNumber): Node =>
    arithmetic(which, x, y, runtime);
  const zero = 0;
  if (op === "add" || op === "sub") return [real(op, a.re, b.re), real(op, a.im ?? zero, b.im ?? zero)];
  if (op === "mul") {
    if (a.im === undefined) return [real("mul", a.re, b.re), real("mul", a.re, b.im ?? zero)];
    if (b.im === undefined) return [real("mul", a.re, b.re), real("mul", a.im, b.re)];
    return [
      real("sub", real("mul", a.re, b.re), real("mul", a.im, b.im)),
      real("add", real("mul", a.re, b.im), real("mul", a.im, b.re)),
    ];
  }
  if (b.im === undefined) return [real("div", a.re, b.re), real("div", a.im ?? zero, b.re)];
  const size = real("add", real("mul", b.re, b.re), real("mul", b.im, b.im));
  const turned: Parts = {
    re: wrap(nodeOf(b.re as PyTensor, runtime)),
    im: wrap(build.unary("neg", nodeOf(b.im, runtime))),
  };
  const [re, im] = compute("mul", a, turned, runtime);
  return [real("div", re, size), real("div", im, size)];
}
function binary(op: "add" | "sub" | "mul" | "div", left: Value, right: Value, runtime: Runtime): Value {
  const [a, b] = [operandOf(left), operandOf(right)];
  if (!a || !b) {
    throw new PyError(
      "TypeError",
      `unsupported operand types for a complex ${op}: '${typeName(left)}' and '${typeName(right)}'`,
    );
  }
  return guarded(runtime, () => {
    let [re, im] = compute(op, a, b, runtime);
    const shape = re.shape.length >= im.shape.length ? re.shape : im.shape;
    [re, im] = [build.expand(re, shape), build.expand(im, shape)];
    return complexOf(wrap(re), wrap(im), runtime);
  });
}

function member(name: string, signature: string, body: (args: BoundArgs, runtime: Runtime) => Value): void {
  complexClass.members.set(name, new PyNative(name, signature, body));
}
for (const [python, names, op] of [
  ["add", ["add"], "add"],
  ["sub", ["sub", "subtract"], "sub"],
  ["mul", ["mul", "multiply"], "mul"],
  ["truediv", ["div", "divide"], "div"],
] as const) {
  member(`__${python}__`, "self, other", (args, runtime) => binary(op, args.self!, args.other ?? null, runtime));
  member(`__r${python}__`, "self, other", (args, runtime) => binary(op, args.other ?? null, args.self!, runtime));
  for (const name of names) {
    member(name, "input, other", (args, runtime) => binary(op, args.input!, args.other ?? null, runtime));
    const entry = torchFunctions.get(name)!;
    torchFunctions.set(
      name,
      new PyNative(name, entry.signature, (args, runtime) =>
        partsOf(args.input) || partsOf(args.other)
          ? binary(op, args.input ?? null, args.other ?? null, runtime)
          : entry.body(args, runtime),
      ),
    );
  }
}
member("__neg__", "self", (args, runtime) => binary("sub", 0, args.self!, runtime));
member("__getitem__", "self, key", (args, runtime) => {
  const { re, im } = requireParts(args.self);
  return joined(tensorIndex(re, args.key ?? null, runtime), tensorIndex(im, args.key ?? null, runtime), runtime);
});
member("__setitem__", "self, key, value", (args, runtime) => {
  const { re, im } = requireParts(args.self);
  const given = operandOf(args.value) ?? requireParts(args.value);
  tensorSetIndex(re, args.key ?? null, given.re, runtime);
  tensorSetIndex(im, args.key ?? null, given.im ?? 0, runtime);
  return null;
});
member("__len__", "self", (args) => requireParts(args.self).re.shape[0] ?? 0);
member("__iter__", "self", (args, runtime) => {
  const { re, im } = requireParts(args.self);
  const length = re.shape[0] ?? 0;
  const at = (tensor: PyTensor, i: number): Value => tensorIndex(tensor, new PyTuple([i]), runtime);
  return tuple(Array.from({ length: listableTensors(length) }, (_, i) => joined(at(re, i), at(im, i), runtime)));
});
member("size", "self, dim=None", (args, runtime) =>
  runtime.call(runtime.getAttribute(requireParts(args.self).re, "size"), args.dim == null ? [] : [args.dim]),
);
member("dim", "self", (args) => requireParts(args.self).re.shape.length);
member("numel", "self", (args, runtime) => runtime.call(runtime.getAttribute(requireParts(args.self).re, "numel"), []));
/** To a device, or to a complex dtype: it stays what it is. A real dtype would drop a part. */
member("to", "self, *args, **kwargs", (args, runtime) => {
  const given = sequenceOf(args.args) ?? [];
  if (given.some((v) => typeName(v) === "dtype")) {
    throw new EvaluationError(
      "converting a complex tensor to a real one drops its imaginary part: use .real",
      runtime.place,
    );
  }
  return args.self ?? null;
});
for (const name of ["is_complex", "is_floating_point"]) {
  member(name, "self", () => name === "is_complex");
  define(["torch", "tensor"], name, "input", (args) => {
    const { input } = args;
    if (partsOf(input)) return name === "is_complex";
    return name === "is_floating_point" && isFloating(tensorArg(args, "input").dtype);
  });
}

// Between real and complex

function real(value: Value | undefined, f: (re: Node, im: Node) => Node, runtime: Runtime): Value {
  const { re, im } = requireParts(value);
  return guarded(runtime, () => wrap(f(nodeOf(re, runtime), nodeOf(im, runtime))));
}
const length = (re: Node, im: Node): Node => build.unary("sqrt", build.add(build.mul(re, re), build.mul(im, im)));
for (const [name, f] of [
  ["abs", length],
  ["angle", (re: Node, im: Node) => atan2(im, re)],
] as const) {
  member(name, "self", (args, runtime) => real(args.self, f, runtime));
  const entry = torchFunctions.get(name);
  torchFunctions.set(
    name,
    new PyNative(name, "input", (args, runtime) => {
      if (partsOf(args.input) || !entry) return real(args.input, f, runtime);
      return entry.body(args, runtime);
    }),
  );
}
const conjugate = (value: Value | undefined, runtime: Runtime): Value => {
  const parts = partsOf(value);
  if (!parts) return value ?? null;
  return guarded(runtime, () => complexOf(parts.re, wrap(build.unary("neg", nodeOf(parts.im, runtime))), runtime));
};
member("conj", "self", (args, runtime) => conjugate(args.self, runtime));
member("exp", "self", (args, runtime) => {
  const { re, im } = requireParts(args.self);
  return guarded(runtime, () => {
    const [size, angle] = [build.unary("exp", nodeOf(re, runtime)), nodeOf(im, runtime)];
    return polar(size, angle, runtime);
  });
});
torchFunctions.set("conj", new PyNative("conj", "input", (args, runtime) => conjugate(args.input, runtime)));
torchFunctions.set("real", new PyNative("real", "input", (args) => partsOf(args.input)?.re ?? args.input ?? null));
torchFunctions.set("imag", new PyNative("imag", "input", (args) => requireParts(args.input).im));

function polar(size: Node, angle: Node, runtime: Runtime): Value {
  const part = (op: "cos" | "sin"): PyTensor => wrap(build.mul(size, build.unary(op, angle)));
  return complexOf(part("cos"), part("sin"), runtime);
}
function pair(name: string, signature: string, body: (a: Node, b: Node, runtime: Runtime) => Value): void {
  const [first, second] = signature.split(", ") as [string, string];
  define(["torch"], name, signature, (args, runtime) => {
    const [a, b] = [nodeOf(tensorArg(args, first), runtime), nodeOf(tensorArg(args, second), runtime)];
    if (a.dtype !== b.dtype || !isFloating(a.dtype)) {
      throw new PyError(
        "RuntimeError",
        `torch.${name} expects two floating-point tensors of one dtype, but got ${a.dtype} and ${b.dtype}`,
      );
    }
    return body(a, b, runtime);
  });
}
pair("polar", "abs, angle", polar);
pair("complex", "real, imag", (re, im, runtime) => complexOf(wrap(re), wrap(im), runtime));

define(["torch"], "view_as_complex", "input", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  if (tensor.shape.at(-1) !== 2) {
    throw new PyError("RuntimeError", "Tensor must have a last dimension of size 2");
  }
  const part = (i: number): Value => tensorMethods.get("select")!.body({ input: tensor, dim: -1, index: i }, runtime);
  return joined(part(0), part(1), runtime);
});
const viewAsReal = (value: Value | undefined, runtime: Runtime): Value => {
  const { re, im } = requireParts(value);
  return guarded(runtime, () => {
    const parts = [re, im].map((t) => {
      const node = nodeOf(t, runtime);
      return build.reshape(node, [...node.shape, 1]);
    });
    return wrap(build.concat(parts, parts[0]!.shape.length - 1));
  });
};
torchFunctions.set(
  "view_as_real",
  new PyNative("view_as_real", "input", (args, runtime) => viewAsReal(args.input, runtime)),
);

/** x.to(torch.complex64) of a real tensor. */
const toReal = tensorMethods.get("to")!;
tensorMethods.set(
  "to",
  new PyNative("to", toReal.signature, (args, runtime) => {
    const asked = [...(sequenceOf(args.args) ?? []), args.dtype ?? null].includes(complexDType);
    if (!asked) return toReal.body(args, runtime);
    return guarded(runtime, () => {
      const x = nodeOf(tensorArg(args, "input"), runtime);
      const re = isFloating(x.dtype) ? x : build.cast(x, "float32");
      return complexOf(wrap(re), wrap(build.full(0, re.shape, re.dtype)), runtime);
    });
  }),
);
