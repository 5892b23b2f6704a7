import { Unknown } from "../../../values/unknown";
import { PyDict, PyNative, PyObject, PyTensor } from "../../../values/values";
import { renormalized } from "../functions/bags";
import { embedding } from "../functions/neural";
import { bilinear, linear } from "../functions/products";
import { stateOf } from "../module/module";
import { makeParameter } from "../tensor/parameter";
import {
  type Construction,
  inverseRoot,
  kaimingUniform,
  layer,
  layerClasses,
  type Size,
  symmetricUniform,
} from "./layer";

/** Linear, Bilinear, Identity and Embedding. */

export const linearClass = layer("Linear", "in_features, out_features, bias=True, device=None, dtype=None", {
  build(c) {
    const [inFeatures, outFeatures] = [c.size("in_features"), c.size("out_features")];
    c.parameter("weight", [outFeatures, inFeatures], kaimingUniform(inFeatures));
    if (c.flag("bias")) c.parameter("bias", [outFeatures], symmetricUniform(inverseRoot(inFeatures)));
    else c.noParameter("bias");
  },
  forward: (a) => linear(a.input, a.required("weight"), a.weight("bias")),
});
layer("NonDynamicallyQuantizableLinear", "in_features, out_features, bias=True, device=None, dtype=None", {
  base: linearClass,
  build(c) {
    const [inFeatures, outFeatures] = [c.size("in_features"), c.size("out_features")];
    c.parameter("weight", [outFeatures, inFeatures], kaimingUniform(inFeatures));
    if (c.flag("bias")) c.parameter("bias", [outFeatures], symmetricUniform(inverseRoot(inFeatures)));
    else c.noParameter("bias");
  },
  forward: (a) => linear(a.input, a.required("weight"), a.weight("bias")),
});

layer("Bilinear", "in1_features, in2_features, out_features, bias=True, device=None, dtype=None", {
  build(c) {
    const [in1, in2, out] = [c.size("in1_features"), c.size("in2_features"), c.size("out_features")];
    const bound = symmetricUniform(inverseRoot(in1));
    c.parameter("weight", [out, in1, in2], bound);
    if (c.flag("bias")) c.parameter("bias", [out], bound);
    else c.noParameter("bias");
  },
  inputs: "input1, input2",
  forward: (a) => bilinear(a.tensor("input1"), a.tensor("input2"), a.required("weight"), a.weight("bias")),
});

/** The row of a table that padding takes: it starts at zero. Counted from the end, too; the layer shows it from the start. */
export function paddingRow(c: Construction, rows: Size, width: Size, weight: PyTensor): void {
  const padding = c.args.padding_idx;
  if (typeof padding !== "number" || typeof rows !== "number") return;
  if (padding < -rows || padding >= rows) throw c.error("AssertionError", "Padding_idx must be within num_embeddings");
  const row = padding < 0 ? padding + rows : padding;
  c.show("padding_idx", row);
  if (typeof width !== "number" || !weight.stored) return;
  weight.stored.patch = (values) => values.fill(0, row * width, (row + 1) * width);
}

/** Embedding.from_pretrained: a layer whose table is the given tensor. */
export function fromPretrained(kind: string): PyNative {
  const signature = "embeddings, freeze=True, *args, **kwargs";
  return new PyNative("from_pretrained", signature, (args, runtime) => {
    const table = args.embeddings;
    if (!(table instanceof PyTensor)) {
      return table instanceof Unknown ? table : new Unknown("from_pretrained needs a tensor", runtime.place);
    }
    const [rows, width] = table.shape.map(
      (d) => d ?? new Unknown("a dimension of the table is unknown", runtime.place),
    );
    const named = args.kwargs instanceof PyDict ? [...args.kwargs.entries.values()] : [];
    const kwargs = new Map(named.map(({ key, value }) => [String(key), value] as const));
    const made = runtime.call(layerClasses.get(kind)!, [rows ?? null, width ?? null], kwargs);
    if (!(made instanceof PyObject)) return made;
    const weight = makeParameter(table, !runtime.truthy(args.freeze ?? true), runtime);
    stateOf(made, runtime).parameters.set("weight", weight);
    return made;
  });
}

layer("Identity", "*args, **kwargs", { forward: (a) => a.args.input ?? null });

const embeddingClass = layer(
  "Embedding",
  "num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False, _weight=None, _freeze=False, device=None, dtype=None",
  {
    build(c) {
      const [rows, width] = [c.size("num_embeddings"), c.size("embedding_dim")];
      paddingRow(c, rows, width, c.parameter("weight", [rows, width], { kind: "normal", mean: 0, std: 1 }));
    },
    forward(a) {
      const rows = embedding(a.input, a.required("weight"));
      const most = a.option("max_norm");
      return most === null ? rows : renormalized(rows, a.number("max_norm"), a.number("norm_type"));
    },
  },
);
embeddingClass.members.set("from_pretrained", fromPretrained("Embedding"));
