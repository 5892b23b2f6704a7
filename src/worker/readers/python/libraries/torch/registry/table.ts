import { isFloating } from "../../../../../formats/dtype";
import { cast } from "../../../../../graph/build";
import { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { type BoundArgs, PyError, type PyNative, PyTensor, type Runtime, type Value } from "../../../values/values";
import { forgetValue, nodeOf, replaceValue, scalarTypeName, wrap } from "../tensor/tensor";
import { tied } from "../tensor/views";
import { tensorArg } from "./arguments";
import { firstUnknown, type NativeOptions, native } from "./native";

/**
 * The table of torch's functions: one entry serves torch.f, torch.nn.functional.f and Tensor.f where PyTorch has the same
 * function under several names.
 */
export const torchFunctions = new Map<string, PyNative>();
export const functionalFunctions = new Map<string, PyNative>();
export const tensorMethods = new Map<string, PyNative>();

const HOMES = { torch: torchFunctions, F: functionalFunctions, tensor: tensorMethods };
export type Home = keyof typeof HOMES;

/** Defines functions of one signature; the first parameter of a method is the tensor itself. */
export function define(
  homes: readonly Home[],
  names: string | readonly string[],
  signature: string,
  body: (args: BoundArgs, runtime: Runtime) => Value | Node,
  options?: NativeOptions,
): void {
  for (const name of typeof names === "string" ? [names] : names) {
    const entry = native(
      name,
      signature,
      (args, runtime) => {
        const result = tied(name, asValue(body(args, runtime)), Object.values(args));
        return args.out instanceof PyTensor && result instanceof PyTensor
          ? writeOut(args.out, result, runtime)
          : result;
      },
      options,
    );
    for (const home of homes) HOMES[home].set(name, entry);
  }
}

/** Also defines the in-place method `name_`, whose result replaces the value of its first argument. */
export function defineWithInPlace(
  homes: readonly Home[],
  names: string | readonly string[],
  signature: string,
  body: (args: BoundArgs, runtime: Runtime) => Node,
): void {
  define(homes, names, signature, body);
  for (const name of typeof names === "string" ? [names] : names) inPlace(name, signature, body);
}

export function inPlace(name: string, signature: string, body: (args: BoundArgs, runtime: Runtime) => Node): void {
  const first = signature.split(",")[0]!.trim();
  define(
    ["tensor"],
    `${name}_`,
    signature,
    (args, runtime) => {
      const tensor = tensorArg(args, first);
      const unknown = firstUnknown(Object.values(args));
      if (unknown) {
        forgetValue(tensor, unknown, runtime);
        return unknown;
      }
      return replaceChecked(tensor, body(args, runtime), runtime);
    },
    { takesUnknown: true },
  );
}

/** In-place results keep the tensor's shape and dtype, or PyTorch refuses. */
export function replaceChecked(tensor: PyTensor, node: Node, runtime: Runtime): PyTensor {
  return replaceValue(tensor, fitInPlace(tensor, node), runtime);
}

function fitInPlace(tensor: PyTensor, node: Node): Node {
  if (tensor.shape.length !== node.shape.length || tensor.shape.some((d, i) => d !== node.shape[i])) {
    throw new PyError(
      "RuntimeError",
      `output with shape ${shapeText(tensor.shape.map((d) => d ?? -1))} doesn't match the broadcast shape ${shapeText(node.shape)}`,
    );
  }
  if (isFloating(node.dtype) && !isFloating(tensor.dtype)) {
    throw new PyError(
      "RuntimeError",
      `result type ${scalarTypeName(node.dtype)} can't be cast to the desired output type ${scalarTypeName(tensor.dtype)}`,
    );
  }
  return cast(node, tensor.dtype);
}

/** `out=`: the result is written to a tensor that is there. One of another shape is resized, as PyTorch does. */
function writeOut(out: PyTensor, result: PyTensor, runtime: Runtime): PyTensor {
  const node = cast(nodeOf(result, runtime), out.dtype);
  if (out.shape.length === node.shape.length && out.shape.every((d, i) => d === node.shape[i])) {
    return replaceValue(out, node, runtime);
  }
  runtime.changing(out.storage);
  out.become(node);
  return out;
}

function asValue(result: Value | Node): Value {
  return result instanceof Node ? wrap(result) : result;
}

export function nodeArg(args: BoundArgs, name: string, runtime: Runtime): Node {
  return nodeOf(tensorArg(args, name), runtime);
}
