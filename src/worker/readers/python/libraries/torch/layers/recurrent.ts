import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { PyProperty } from "../../../values/types";
import { EvaluationError, Unknown } from "../../../values/unknown";
import { PyError, PyList, PyNative, type PyObject, PyTensor, type Runtime, type Value } from "../../../values/values";
import { linear } from "../functions/products";
import { sequenceOf, tuple } from "../registry/arguments";
import { listableTensors } from "../tensor/listable";
import { nodeOf, wrap } from "../tensor/tensor";
import {
  type Application,
  type Construction,
  float,
  instance,
  inverseRoot,
  layer,
  layerOption,
  notYet,
  product,
  type Size,
  symmetricUniform,
} from "./layer";

/**
 * LSTM, GRU and RNN, unrolled: one product projects the whole sequence into the gates, then each step adds the hidden
 * state's product. Gates are stacked in PyTorch's order: input, forget, cell, output; reset, update, new.
 */

type Kind = "LSTM" | "GRU" | "RNN";
const GATES = { LSTM: 4, GRU: 3, RNN: 1 } as const;
/** Steps of all layers and directions together: each is a dozen nodes of the graph. */
const MAX_STEPS = 8192;

/** The hidden state of a layer: h, and LSTM's cell. */
interface State {
  readonly h: Node;
  readonly c?: Node;
}
interface CellWeights {
  readonly hidden: Node;
  readonly bias: Node | undefined;
  readonly projection: Node | undefined;
}

/** One step: `x` is the input's share of the gates, [N, gates * H]. */
function step(kind: Kind, activation: "tanh" | "relu", x: Node, state: State, weights: CellWeights): State {
  const axis = x.shape.length - 1;
  const width = x.shape[axis]! / GATES[kind];
  const gate = (n: Node, i: number): Node => build.narrow(n, axis, i * width, (i + 1) * width);
  const recurrent = linear(state.h, weights.hidden, weights.bias);
  if (kind === "RNN") return { h: build.unary(activation, build.add(x, recurrent)) };
  if (kind === "GRU") {
    const sum = build.unary(
      "sigmoid",
      build.add(build.narrow(x, axis, 0, 2 * width), build.narrow(recurrent, axis, 0, 2 * width)),
    );
    const [reset, update] = [gate(sum, 0), gate(sum, 1)];
    const fresh = build.unary("tanh", build.add(gate(x, 2), build.mul(reset, gate(recurrent, 2))));
    return { h: build.add(fresh, build.mul(update, build.sub(state.h, fresh))) };
  }
  const gates = build.add(x, recurrent);
  const opened = build.mul(build.unary("sigmoid", gate(gates, 0)), build.unary("tanh", gate(gates, 2)));
  const c = build.add(build.mul(build.unary("sigmoid", gate(gates, 1)), state.c!), opened);
  const h = build.mul(build.unary("sigmoid", gate(gates, 3)), build.unary("tanh", c));
  return { h: weights.projection ? linear(h, weights.projection) : h, c };
}

/** A sequence layer goes by its mode, a cell by its nonlinearity. */
function activationOf(a: Application, kind: Kind, option: "mode" | "nonlinearity"): "tanh" | "relu" {
  if (kind !== "RNN") return "tanh";
  return activationNamed(String(a.option(option)).replace("RNN_", "").toLowerCase());
}

function activationNamed(value: Value): "tanh" | "relu" {
  const name = String(value);
  if (name === "tanh" || name === "relu") return name;
  throw new PyError("ValueError", `Unknown nonlinearity '${name}'. Select from 'tanh' or 'relu'.`);
}

/** The given tensors of hx: one, or LSTM's pair. */
function initialState(a: Application, kind: Kind): Node[] | undefined {
  const hx = a.args.hx ?? null;
  if (hx === null) return undefined;
  const items = kind === "LSTM" ? sequenceOf(hx) : [hx];
  const tensors = items?.filter((t) => t instanceof PyTensor) ?? [];
  if (tensors.length !== (kind === "LSTM" ? 2 : 1)) {
    throw new PyError("TypeError", `${kind} expects hx as ${kind === "LSTM" ? "a tuple (h_0, c_0)" : "a tensor"}`);
  }
  return tensors.map((t) => nodeOf(t, a.runtime));
}

function runSequence(a: Application, kind: Kind): Value {
  if (!(a.args.input instanceof PyTensor)) {
    throw new EvaluationError(`packed sequences are not supported: give ${kind} a padded tensor`, a.runtime.place);
  }
  const [layers, directions] = [a.number("num_layers"), a.option("bidirectional") ? 2 : 1];
  const hidden = a.number("hidden_size");
  const projected = kind === "LSTM" ? a.number("proj_size") : 0;
  const out = projected === 0 ? hidden : projected;
  const unbatched = a.input.shape.length === 2;
  if (!unbatched && a.input.shape.length !== 3) {
    throw new PyError("ValueError", `${kind}: Expected input to be 2D or 3D, got ${a.input.shape.length}D instead`);
  }
  const batchFirst = a.option("batch_first") === true && !unbatched;
  let x = unbatched ? build.reshape(a.input, [a.input.shape[0]!, 1, a.input.shape[1]!]) : a.input;
  if (batchFirst) x = build.transpose(x, [1, 0, 2]);
  const [length, batch, features] = x.shape as [number, number, number];
  if (features !== a.number("input_size")) {
    throw new PyError(
      "RuntimeError",
      `input.size(-1) must be equal to input_size. Expected ${a.number("input_size")}, got ${features}`,
    );
  }
  if (length * layers * directions > MAX_STEPS) {
    throw new EvaluationError(
      `${kind} over ${length} steps in ${layers} layers would be unrolled into more than ${MAX_STEPS} steps; use shorter example inputs`,
      a.runtime.place,
    );
  }
  const starts = initialStates(a, kind, layers * directions, batch, [out, hidden], unbatched);
  const activation = activationOf(a, kind, "mode");
  const finals: State[] = [];
  const dropout = a.number("dropout");
  for (let i = 0; i < layers; i++) {
    const outputs = Array.from({ length: directions }, (_, d) => {
      const suffix = `l${i}${d === 1 ? "_reverse" : ""}`;
      const gates = linear(x, a.required(`weight_ih_${suffix}`), a.weight(`bias_ih_${suffix}`));
      const weights = {
        hidden: a.required(`weight_hh_${suffix}`),
        bias: a.weight(`bias_hh_${suffix}`),
        projection: a.weight(`weight_hr_${suffix}`),
      };
      let state = starts[i * directions + d]!;
      const hs = new Array<Node>(length);
      for (let k = 0; k < length; k++) {
        const t = d === 1 ? length - 1 - k : k;
        const now = build.reshape(build.narrow(gates, 0, t, t + 1), [batch, gates.shape[2]!]);
        state = step(kind, activation, now, state, weights);
        hs[t] = build.reshape(state.h, [1, batch, out]);
      }
      finals.push(state);
      return build.concat(hs, 0);
    });
    x = build.concat(outputs, 2);
    if (a.training && i < layers - 1) x = build.dropout(x, dropout);
  }
  const stacked = (part: (state: State) => Node): PyTensor => {
    const all = build.concat(
      finals.map((s) => build.reshape(part(s), [1, ...part(s).shape])),
      0,
    );
    return wrap(unbatched ? build.reshape(all, [all.shape[0]!, all.shape[2]!]) : all);
  };
  let output = batchFirst ? build.transpose(x, [1, 0, 2]) : x;
  if (unbatched) output = build.reshape(output, [length, output.shape[2]!]);
  const h = stacked((s) => s.h);
  return tuple([wrap(output), kind === "LSTM" ? tuple([h, stacked((s) => s.c!)]) : h]);
}

/** One state for each layer and direction: slices of hx, or zeros. */
function initialStates(
  a: Application,
  kind: Kind,
  count: number,
  batch: number,
  widths: readonly [number, number],
  unbatched: boolean,
): State[] {
  const given = initialState(a, kind)?.map((n, i) => {
    const shape = unbatched ? [count, widths[i]!] : [count, batch, widths[i]!];
    if (n.shape.length !== shape.length || n.shape.some((d, k) => d !== shape[k])) {
      throw new PyError("RuntimeError", `Expected hidden size ${shapeText(shape)}, got ${shapeText(n.shape)}`);
    }
    return n;
  });
  const part = (which: number, i: number): Node =>
    given
      ? build.reshape(build.narrow(given[which]!, 0, i, i + 1), [batch, widths[which]!])
      : build.full(0, [batch, widths[which]!], a.input.dtype);
  return Array.from({ length: count }, (_, i) => ({ h: part(0, i), ...(kind === "LSTM" && { c: part(1, i) }) }));
}

function runCell(a: Application, kind: Kind): Value {
  const unbatched = a.input.shape.length === 1;
  const x = unbatched ? build.reshape(a.input, [1, -1]) : a.input;
  const width = a.number("hidden_size");
  const given = initialState(a, kind)?.map((n) => (unbatched ? build.reshape(n, [1, -1]) : n));
  const zeros = build.full(0, [x.shape[0]!, width], x.dtype);
  const state = { h: given?.[0] ?? zeros, ...(kind === "LSTM" && { c: given?.[1] ?? zeros }) };
  const gates = linear(x, a.required("weight_ih"), a.weight("bias_ih"));
  const weights = { hidden: a.required("weight_hh"), bias: a.weight("bias_hh"), projection: undefined };
  const next = step(kind, activationOf(a, kind, "nonlinearity"), gates, state, weights);
  const shown = (n: Node): PyTensor => wrap(unbatched ? build.reshape(n, [width]) : n);
  return kind === "LSTM" ? tuple([shown(next.h), shown(next.c!)]) : shown(next.h);
}

function modeOf(nonlinearity: Value): Value {
  return nonlinearity instanceof Unknown ? nonlinearity : `RNN_${activationNamed(nonlinearity).toUpperCase()}`;
}

/** The weights of a sequence layer; the mode says RNN's nonlinearity. */
function buildSequence(c: Construction, kind: Kind, mode: Value): void {
  sequenceWeights(c, kind);
  c.show("mode", mode);
  if (kind !== "LSTM") c.show("proj_size", 0);
  const dropout = c.shown("dropout");
  if (typeof dropout === "number") c.show("dropout", float(dropout));
}

function sequenceWeights(c: Construction, kind: Kind): void {
  const [input, hidden] = [c.size("input_size"), c.size("hidden_size")];
  const layers = c.size("num_layers");
  if (layers instanceof Unknown)
    throw new EvaluationError(`num_layers is unknown because ${layers.reason}`, c.runtime.place);
  const directions = c.flag("bidirectional") ? 2 : 1;
  listableTensors(layers * directions);
  const projected = kind === "LSTM" ? c.size("proj_size") : 0;
  const output: Size = projected === 0 ? hidden : projected;
  const bound = symmetricUniform(inverseRoot(hidden));
  const rows = product([GATES[kind], hidden]);
  const names: string[][] = [];
  for (let i = 0; i < layers; i++) {
    for (let d = 0; d < directions; d++) {
      const suffix = `l${i}${d === 1 ? "_reverse" : ""}`;
      const own: string[] = [];
      const weight = (part: string, shape: readonly Size[]): void => {
        own.push(`${part}_${suffix}`);
        c.parameter(`${part}_${suffix}`, shape, bound);
      };
      weight("weight_ih", [rows, i === 0 ? input : product([output, directions])]);
      weight("weight_hh", [rows, output]);
      if (c.flag("bias")) for (const part of ["bias_ih", "bias_hh"]) weight(part, [rows]);
      if (projected !== 0) weight("weight_hr", [projected, hidden]);
      names.push(own);
    }
  }
  c.show("_flat_weights_names", new PyList(names.flat()));
  c.show("_all_weights", new PyList(names.map((own) => new PyList(own))));
}

/** A layer's parameters as they are now, by the names it was made with. */
function weightLists(self: PyObject, runtime: Runtime): PyList {
  const names = sequenceOf(layerOption(self, "_all_weights")) ?? [];
  const own = (part: Value) => (sequenceOf(part) ?? []).map((name) => runtime.getAttribute(self, String(name)));
  return new PyList(names.map((part) => new PyList(own(part))));
}

const SEQUENCE = "bias=True, batch_first=False, dropout=0.0, bidirectional=False";
const MODES: Readonly<Record<string, Kind>> = { LSTM: "LSTM", GRU: "GRU", RNN_TANH: "RNN", RNN_RELU: "RNN" };
const BASE = `mode, input_size, hidden_size, num_layers=1, ${SEQUENCE}, proj_size=0, device=None, dtype=None`;
const baseClass = layer("RNNBase", BASE, {
  build(c) {
    const kind = MODES[String(c.args.mode)];
    if (!kind) throw c.error("ValueError", `Unrecognized RNN mode: ${String(c.args.mode)}`);
    buildSequence(c, kind, String(c.args.mode));
  },
  forward: notYet,
});
function property(name: string, value: (self: PyObject, runtime: Runtime) => Value): void {
  const getter = new PyNative(name, "self", (args, runtime) => value(instance(args.self, "RNNBase"), runtime));
  baseClass.members.set(name, new PyProperty(getter, null, false));
}
property("all_weights", weightLists);
property(
  "_flat_weights",
  (self, runtime) => new PyList(weightLists(self, runtime).items.flatMap((part) => [...(sequenceOf(part) ?? [])])),
);
// Where the weights lie in memory is the engine's choice.
baseClass.members.set("flatten_parameters", new PyNative("flatten_parameters", "self", () => null));

for (const kind of ["LSTM", "GRU", "RNN"] as const) {
  const extra = kind === "RNN" ? "nonlinearity='tanh', " : "";
  const projection = kind === "LSTM" ? ", proj_size=0" : "";
  layer(kind, `input_size, hidden_size, num_layers=1, ${extra}${SEQUENCE}${projection}, device=None, dtype=None`, {
    build: (c) => buildSequence(c, kind, kind === "RNN" ? modeOf(c.args.nonlinearity ?? null) : kind),
    base: baseClass,
    inputs: "input, hx=None",
    forward: (a) => runSequence(a, kind),
  });
  layer(`${kind}Cell`, `input_size, hidden_size, bias=True, ${extra}device=None, dtype=None`, {
    build(c) {
      const [input, hidden] = [c.size("input_size"), c.size("hidden_size")];
      const bound = symmetricUniform(inverseRoot(hidden));
      const rows = product([GATES[kind], hidden]);
      c.parameter("weight_ih", [rows, input], bound);
      c.parameter("weight_hh", [rows, hidden], bound);
      for (const name of ["bias_ih", "bias_hh"]) {
        if (c.flag("bias")) c.parameter(name, [rows], bound);
        else c.noParameter(name);
      }
    },
    inputs: "input, hx=None",
    forward: (a) => runCell(a, kind),
  });
}
