import { floatText } from "../../../values/numbers";
import { Unknown } from "../../../values/unknown";
import {
  PyDType,
  PyFloat,
  PyList,
  PyNative,
  PyObject,
  PyTuple,
  type Runtime,
  type Value,
} from "../../../values/values";
import { moduleAttribute, moduleClass, stateOf } from "../module/module";
import { moduleMethod } from "../module/moduleMethods";
import { layerBases } from "./families";
import { layerClasses } from "./layer";

/**
 * `repr(module)`: its class's name, what `extra_repr` says of it, and its modules. Code asks `"Conv" in str(module)`.
 *
 * A row of the table is one class's `extra_repr`: `name` shows the attribute alone, `name=` with its name, `name=!` in
 * quotes, `name?value` with its name unless it has that value. Of a bias it says whether there is one.
 */
const CONV =
  "in_channels, out_channels, kernel_size=, stride=, padding?0, dilation?1, output_padding?0, groups?1, bias?True, padding_mode?zeros";
const RECURRENT =
  "input_size, hidden_size, proj_size?0, num_layers?1, bias?True, batch_first?False, dropout?0.0, bidirectional?False";
const POOL = "kernel_size=, stride=, padding=";
const ROWS: readonly (readonly [parts: string, layers: RegExp])[] = [
  ["in_features=, out_features=, bias=", /^(NonDynamicallyQuantizable)?Linear$/],
  ["in1_features=, in2_features=, out_features=, bias=", /^Bilinear$/],
  [
    "num_embeddings, embedding_dim, padding_idx?None, max_norm?None, norm_type?2.0, scale_grad_by_freq?False, sparse?False",
    /^Embedding$/,
  ],
  [
    "num_embeddings, embedding_dim, max_norm?None, norm_type?2.0, scale_grad_by_freq?False, mode=!, padding_idx?None",
    /^EmbeddingBag$/,
  ],
  ["inplace?False", /^(ReLU|SELU|SiLU|Mish)$/],
  ["negative_slope=, inplace?False", /^LeakyReLU$/],
  ["alpha=, inplace?False", /^C?ELU$/],
  ["min_val=, max_val=, inplace?False", /^Hardtanh$/],
  ["inplace?False", /^ReLU6$/],
  ["approximate=!", /^GELU$/],
  ["beta=, threshold=", /^Softplus$/],
  ["lambd", /^(Soft|Hard)shrink$/],
  ["threshold=, value=, inplace?False", /^Threshold$/],
  ["dim=", /^(GLU|Softmax|LogSoftmax|Softmin)$/],
  ["num_parameters=", /^PReLU$/],
  ["lower=, upper=, inplace?False", /^RReLU$/],
  ["p=, inplace=", /^_DropoutNd$/],
  ["start_dim=, end_dim=", /^Flatten$/],
  ["dim=, unflattened_size=", /^Unflatten$/],
  ["normalized_shape, eps=, elementwise_affine=, bias=", /^LayerNorm$/],
  ["normalized_shape, eps=, elementwise_affine=", /^RMSNorm$/],
  ["num_groups, num_channels, eps=, affine=, bias=", /^GroupNorm$/],
  ["num_features, eps=, momentum=, affine=, bias=, track_running_stats=", /^_NormBase$/],
  ["size, alpha=, beta=, k=", /^(LocalResponseNorm|CrossMapLRN2d)$/],
  [CONV, /^_ConvNd$/],
  ["kernel_size=, stride=, padding=, dilation=, ceil_mode=", /^_MaxPoolNd$/],
  [POOL, /^_(MaxUn|Avg)[pP]oolNd$/],
  ["norm_type=, kernel_size=, stride=, ceil_mode=", /^_LPPoolNd$/],
  ["output_size=", /^_Adaptive(Avg|Max)PoolNd$/],
  ["padding=, value=", /^_ConstantPadNd$/],
  ["padding", /^(ZeroPad[123]d|_(Reflection|Replication|Circular)PadNd)$/],
  ["scale_factor?None, size?None, mode=!", /^Upsample$/],
  ["upscale_factor=", /^PixelShuffle$/],
  ["downscale_factor=", /^PixelUnshuffle$/],
  ["groups=", /^ChannelShuffle$/],
  ["output_size=, kernel_size=, dilation=, padding=, stride=", /^Fold$/],
  ["kernel_size=, dilation=, padding=, stride=", /^Unfold$/],
  [RECURRENT, /^RNNBase$/],
  ["input_size, hidden_size, bias?True", /^(LSTM|GRU)Cell$/],
  ["input_size, hidden_size, bias?True, nonlinearity?tanh", /^RNNCell$/],
  [
    "linear.in_features=, num_classes=, out_features=, linear.bias=, reduction=, ignore_index=, label_smoothing=, options=",
    /^LinearCrossEntropyLoss$/,
  ],
];

/** A plain value as Python shows it. */
function text(value: Value | undefined, quotes: boolean): string | Unknown {
  if (value instanceof Unknown) return value;
  if (value === null || value === undefined) return "None";
  if (typeof value === "string") return quotes ? `'${value}'` : value;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value instanceof PyFloat) return floatText(value.value);
  if (value instanceof PyDType) return `torch.${value.dtype}`;
  if (value instanceof PyTuple || value instanceof PyList) {
    const parts: string[] = [];
    for (const item of value.items) {
      const part = text(item, true);
      if (part instanceof Unknown) return part;
      parts.push(part);
    }
    if (value instanceof PyList) return `[${parts.join(", ")}]`;
    return `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;
  }
  return typeof value === "number" ? String(value) : "...";
}

function attribute(self: PyObject, path: string): Value {
  const [name, below] = path.split(".") as [string, string?];
  const held = moduleAttribute(self, name);
  const value = (held === undefined ? self.attributes.get(name) : held) ?? null;
  if (below !== undefined) return value instanceof PyObject ? attribute(value, below) : null;
  if (name !== "bias" || value instanceof Unknown) return value;
  // The parameter, or whether the layer was told to have one.
  return typeof value === "boolean" ? value : value !== null;
}

/** Whether an attribute has the value that is not worth showing, in each dimension where it is a tuple. */
function isUsual(value: Value, usual: string): boolean {
  if (value instanceof PyTuple) return value.items.every((item) => isUsual(item, usual));
  return text(value, false) === usual;
}

function extra(self: PyObject, parts: string): string | Unknown {
  const shown: string[] = [];
  for (const part of parts.split(", ")) {
    const [, path, kind = "", rest = ""] = /^([\w.]+)([=?]?)(.*)$/.exec(part)!;
    const name = path!.split(".").at(-1)!;
    const value = attribute(self, path!);
    if (kind === "?" && isUsual(value, rest)) continue;
    const shownValue = text(value, rest === "!");
    if (shownValue instanceof Unknown) return shownValue;
    shown.push(kind === "" ? shownValue : `${name}=${shownValue}`);
  }
  return shown.join(", ");
}

for (const [parts, layers] of ROWS) {
  for (const [name, type] of [...layerClasses, ...layerBases]) {
    if (layers.test(name))
      type.members.set(
        "extra_repr",
        moduleMethod("extra_repr", "", (self) => extra(self, parts)),
      );
  }
}

const indented = (lines: string): string => lines.replaceAll("\n", "\n  ");

function childrenOf(self: PyObject, runtime: Runtime): string[] | Unknown {
  const shown: { first: string; last: string; count: number; lines: string }[] = [];
  const isList = self.type.mro.some((type) => type === layerClasses.get("ModuleList"));
  for (const [name, child] of stateOf(self, runtime).modules) {
    const lines = child === null ? "None" : runtime.call(runtime.getAttribute(child, "__repr__"), []);
    if (lines instanceof Unknown) return lines;
    const before = shown.at(-1);
    // Equal neighbors of a list are shown once.
    if (isList && before?.lines === lines) {
      before.last = name;
      before.count++;
    } else shown.push({ first: name, last: name, count: 1, lines: String(lines) });
  }
  return shown.map(({ first, last, count, lines }) =>
    count === 1 ? `(${first}): ${indented(lines)}` : `(${first}-${last}): ${count} x ${indented(lines)}`,
  );
}

moduleClass.members.set(
  "__repr__",
  new PyNative("__repr__", "self", ({ self }, runtime) => {
    if (!(self instanceof PyObject)) return "Module()";
    const own = runtime.call(runtime.getAttribute(self, "extra_repr"), []);
    const name = runtime.call(runtime.getAttribute(self, "_get_name"), []);
    const children = childrenOf(self, runtime);
    for (const part of [own, name, children]) if (part instanceof Unknown) return part;
    const lines = String(own) === "" ? [] : String(own).split("\n");
    const below = children as string[];
    if (lines.length === 1 && below.length === 0) return `${String(name)}(${lines[0]})`;
    const all = [...lines, ...below];
    return all.length === 0 ? `${String(name)}()` : `${String(name)}(\n  ${all.join("\n  ")}\n)`;
  }),
);
