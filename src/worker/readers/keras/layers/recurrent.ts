import { add, concat, full, matmul, mul, narrow, reshape, scalar, sub, where } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import { activate } from "../activations";
import { ConfigError, Untraceable } from "../config";
import { forgetGateBias } from "../initializers";
import type { LayerCall, LayerKind } from "../layer";
import { requireRank } from "./spatial";

/** Recurrent layers, unrolled: each step is a few graph nodes, and gradients need nothing more. */

/** Longer sequences would make graphs that no engine compiles in reasonable time. */
const MAX_STEPS = 512;

interface Cell {
  /** The state's parts at the start, and one step: the output and the new state. */
  readonly parts: number;
  step(x: Node, state: readonly Node[]): { readonly output: Node; readonly state: readonly Node[] };
}

function recurrent(kind: string, cellOf: (call: LayerCall, inputs: number) => Cell): LayerKind {
  return (call) => {
    const { config, layer } = call;
    const x = call.inputs[0]!;
    requireRank(x, 3);
    const [batch, steps, inputs] = [x.shape[0]!, x.shape[1]!, x.shape[2]!];
    const units = config.count("units");
    const all = config.flag("return_sequences", false);
    const shape = all ? [batch, steps, units] : [batch, units];
    const cell = cellOf(call, inputs);
    layer.features = undefined;
    if (call.inputs.length > 1) throw new Untraceable("a given initial state is not supported", shape);
    if (steps > MAX_STEPS)
      throw new Untraceable(`${steps} steps are more than the ${MAX_STEPS} supported for ${kind}`, shape);
    const order = Array.from({ length: steps }, (_, i) => (config.flag("go_backwards", false) ? steps - 1 - i : i));
    let state: readonly Node[] = Array.from({ length: cell.parts }, () => full(0, [batch, units], "float32"));
    const outputs: Node[] = [];
    for (const t of order) {
      const made = cell.step(reshape(narrow(x, 1, t, t + 1), [batch, inputs]), state);
      // A step that is masked leaves the state as it was, and gives again what the last one gave.
      const counts = call.mask && narrow(call.mask, 1, t, t + 1);
      const before = outputs.at(-1) ?? full(0, [batch, units], "float32");
      state = counts ? made.state.map((s, i) => where(counts, s, state[i]!)) : made.state;
      outputs.push(counts ? where(counts, made.output, before) : made.output);
    }
    // Bidirectional asks for zeros at masked steps instead: https://keras.io/api/layers/recurrent_layers/lstm/.
    if (call.mask && config.flag("zero_output_for_mask", false)) {
      const zero = full(0, [batch, units], "float32");
      for (const [i, t] of order.entries()) outputs[i] = where(narrow(call.mask, 1, t, t + 1), outputs[i]!, zero);
    }
    const last = outputs.at(-1);
    if (!last) throw new ConfigError("it is given a sequence without steps");
    const result = all
      ? concat(
          outputs.map((o) => reshape(o, [batch, 1, units])),
          1,
        )
      : last;
    return config.flag("return_state", false) ? [result, ...state] : result;
  };
}

interface Gates {
  readonly kernel: Node;
  readonly recurrentKernel: Node;
  readonly units: number;
}

function gates(call: LayerCall, inputs: number, count: number): Gates {
  const { layer, config } = call;
  const units = config.count("units");
  const cell = cellLayer(call);
  layer.features = undefined;
  return {
    kernel: cell.weight("kernel", [inputs, count * units], "glorot_uniform"),
    recurrentKernel: cell.weight("recurrent_kernel", [units, count * units], "orthogonal", {
      role: "recurrent_initializer",
    }),
    units,
  };
}

/** Keras 3 keeps a recurrent layer's weights in its cell. */
const cellLayer = ({ layer, config }: LayerCall) => layer.part("cell", `${layer.identity.className}Cell`, config);

const lstm = recurrent("LSTM", (call, inputs) => {
  const { config, generation } = call;
  const { kernel, recurrentKernel, units } = gates(call, inputs, 4);
  const forget = config.flag("unit_forget_bias", true) ? forgetGateBias(units) : "zeros";
  const bias = config.flag("use_bias", true) ? cellLayer(call).weight("bias", [4 * units], forget) : undefined;
  const gate = (z: Node, i: number) => narrow(z, 1, i * units, (i + 1) * units);
  const sigma = (z: Node) => activate(z, config.get("recurrent_activation") ?? "sigmoid", generation);
  const phi = (z: Node) => activate(z, config.get("activation") ?? "tanh", generation);
  return {
    parts: 2,
    step: (x, [h, c]) => {
      const z = matmul(h!, recurrentKernel, { c: matmul(x, kernel, bias && { c: bias }) });
      const kept = mul(sigma(gate(z, 1)), c!);
      const next = add(kept, mul(sigma(gate(z, 0)), phi(gate(z, 2))));
      const output = mul(sigma(gate(z, 3)), phi(next));
      return { output, state: [output, next] };
    },
  };
});

const gru = recurrent("GRU", (call, inputs) => {
  const { config, generation } = call;
  const { kernel, recurrentKernel, units } = gates(call, inputs, 3);
  // Keras has applied the reset gate after the product since version 2.
  const after = config.flag("reset_after", true);
  const stored = config.flag("use_bias", true)
    ? cellLayer(call).weight("bias", after ? [2, 3 * units] : [3 * units], "zeros")
    : undefined;
  const row = (i: number) => stored && (after ? reshape(narrow(stored, 0, i, i + 1), [3 * units]) : stored);
  const gate = (z: Node, i: number) => narrow(z, 1, i * units, (i + 1) * units);
  const sigma = (z: Node) => activate(z, config.get("recurrent_activation") ?? "sigmoid", generation);
  const phi = (z: Node) => activate(z, config.get("activation") ?? "tanh", generation);
  const product = (a: Node, b: Node, c: Node | undefined) => matmul(a, b, c && { c });
  return {
    parts: 1,
    step: (x, [h]) => {
      const fromInput = product(x, kernel, row(0));
      const own = after
        ? product(h!, recurrentKernel, row(1))
        : product(h!, narrow(recurrentKernel, 1, 0, 2 * units), undefined);
      const z = sigma(add(gate(fromInput, 0), gate(own, 0)));
      const r = sigma(add(gate(fromInput, 1), gate(own, 1)));
      const inner = after ? mul(r, gate(own, 2)) : matmul(mul(r, h!), narrow(recurrentKernel, 1, 2 * units, 3 * units));
      const candidate = phi(add(gate(fromInput, 2), inner));
      const output = add(mul(z, h!), mul(sub(scalar(1), z), candidate));
      return { output, state: [output] };
    },
  };
});

const simple = recurrent("SimpleRNN", (call, inputs) => {
  const { config, generation } = call;
  const { kernel, recurrentKernel, units } = gates(call, inputs, 1);
  const bias = config.flag("use_bias", true) ? cellLayer(call).weight("bias", [units], "zeros") : undefined;
  return {
    parts: 1,
    step: (x, [h]) => {
      const z = matmul(h!, recurrentKernel, { c: matmul(x, kernel, bias && { c: bias }) });
      const output = activate(z, config.get("activation") ?? "tanh", generation);
      return { output, state: [output] };
    },
  };
});

/** The wrapped layer at each step: steps join the batch. */
const timeDistributed: LayerKind = ({ inputs, callChild, childFrom }) => {
  const x = inputs[0]!;
  if (x.shape.length < 3) throw new ConfigError("it takes a sequence: three dimensions or more, batch included");
  const [batch, steps] = [x.shape[0]!, x.shape[1]!];
  const [y] = callChild(childFrom("layer", "layer"), [reshape(x, [batch * steps, ...x.shape.slice(2)])]);
  return reshape(y!, [batch, steps, ...y!.shape.slice(1)]);
};

const bidirectional: LayerKind = ({ inputs, config, callChild, childFrom, mask }) => {
  const forward = childFrom("layer", "forward_layer", "forward_");
  const own = config.get("backward_layer") !== undefined && config.get("backward_layer") !== null;
  const backward = childFrom(own ? "backward_layer" : "layer", "backward_layer", own ? "" : "backward_");
  const x = inputs[0]!;
  const [a] = callChild(forward, [x], mask);
  const [raw] = callChild(backward, [own ? x : reversed(x)], mask && (own ? mask : reversed(mask)));
  const sequence = forward.config.flag("return_sequences", false);
  const b = sequence ? reversed(raw!) : raw!;
  if (forward.config.flag("return_state", false)) throw new Untraceable("return_state is not supported");
  const mode = config.get("merge_mode") === null ? "none" : config.text("merge_mode", "concat");
  switch (mode) {
    case "none":
      return [a!, b];
    case "concat":
      return concat([a!, b], a!.shape.length - 1);
    case "sum":
      return add(a!, b);
    case "mul":
      return mul(a!, b);
    case "ave":
      return mul(add(a!, b), scalar(0.5));
    default:
      throw new ConfigError(`merge_mode "${mode}" is not one of Keras's`);
  }
};

function reversed(x: Node): Node {
  const steps = x.shape[1]!;
  return concat(
    Array.from({ length: steps }, (_, i) => narrow(x, 1, steps - 1 - i, steps - i)),
    1,
  );
}

export const RECURRENTS: Readonly<Record<string, LayerKind>> = {
  LSTM: lstm,
  GRU: gru,
  SimpleRNN: simple,
  TimeDistributed: timeDistributed,
  Bidirectional: bidirectional,
};
