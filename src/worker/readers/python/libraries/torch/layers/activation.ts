import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { type PyClass, PyError, PyTensor } from "../../../values/values";
import * as act from "../functions/activations";
import { floating } from "../functions/arithmetic";
import { axisOf } from "../registry/arguments";
import { replaceChecked } from "../registry/table";
import { type Application, float, type LayerSpec, layer, notYet } from "./layer";

/** Activation layers and dropout. */

function activation(
  name: string,
  signature: string,
  f: (x: Node, a: Application) => Node,
  more: Pick<LayerSpec, "base" | "build"> = {},
): PyClass {
  return layer(name, signature, {
    ...more,
    forward(a) {
      const y = f(a.input, a);
      const input = a.args.input;
      const changes = a.option("inplace") === true && input instanceof PyTensor;
      return changes ? replaceChecked(input, y, a.runtime) : y;
    },
  });
}

const INPLACE = "inplace=False";
activation("ReLU", INPLACE, act.relu);
activation("LeakyReLU", `negative_slope=0.01, ${INPLACE}`, (x, a) => act.leakyRelu(x, a.number("negative_slope")));
activation("ELU", `alpha=1.0, ${INPLACE}`, (x, a) => act.elu(x, a.number("alpha")));
activation("CELU", `alpha=1.0, ${INPLACE}`, (x, a) => act.elu(x, a.number("alpha"), a.number("alpha")));
activation("SELU", INPLACE, act.selu);
activation("SiLU", INPLACE, act.silu);
activation("Mish", INPLACE, act.mish);
activation("GELU", "approximate='none'", (x, a) => act.gelu(x, String(a.option("approximate"))));
activation("Tanh", "", (x) => build.unary("tanh", floating(x)));
activation("Sigmoid", "", (x) => build.unary("sigmoid", floating(x)));
const clamped = (x: Node, a: Application): Node => act.clampNumbers(x, a.number("min_val"), a.number("max_val"));
const hardtanhClass = activation("Hardtanh", `min_val=-1.0, max_val=1.0, ${INPLACE}`, clamped);
activation("ReLU6", INPLACE, clamped, {
  base: hardtanhClass,
  build(c) {
    c.show("min_val", float(0));
    c.show("max_val", float(6));
  },
});
activation("Hardsigmoid", INPLACE, act.hardsigmoid);
activation("Hardswish", INPLACE, act.hardswish);
activation("Softplus", "beta=1.0, threshold=20.0", (x, a) => act.softplus(x, a.number("beta"), a.number("threshold")));
activation("Softsign", "", act.softsign);
activation("Tanhshrink", "", act.tanhshrink);
activation("Softshrink", "lambd=0.5", (x, a) => act.softshrink(x, a.number("lambd")));
activation("Hardshrink", "lambd=0.5", (x, a) => act.hardshrink(x, a.number("lambd")));
activation("LogSigmoid", "", act.logSigmoid);
activation("Threshold", `threshold, value, ${INPLACE}`, (x, a) =>
  act.threshold(x, a.number("threshold"), a.number("value")),
);
activation("GLU", "dim=-1", (x, a) => act.glu(x, axisOf(a.number("dim"), x.shape.length)));

function softmaxLayer(name: string, transform: (x: Node, axis: number) => Node): void {
  activation(name, "dim=None", (x, a) => {
    const rank = x.shape.length;
    return transform(x, a.option("dim") === null ? act.implicitAxis(rank) : axisOf(a.number("dim"), rank));
  });
}
softmaxLayer("Softmax", (x, axis) => act.softmax(x, axis));
softmaxLayer("LogSoftmax", (x, axis) => act.softmax(x, axis, true));
softmaxLayer("Softmin", (x, axis) => act.softmax(build.unary("neg", x), axis));

layer("PReLU", "num_parameters=1, init=0.25, device=None, dtype=None", {
  build(c) {
    const init = c.args.init;
    const value =
      typeof init === "number" ? init : init && typeof init === "object" && "value" in init ? Number(init.value) : 0.25;
    c.parameter("weight", [c.size("num_parameters")], { kind: "constant", value });
  },
  forward: (a) => act.prelu(a.input, a.required("weight")),
});

for (const name of ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]) {
  layer(name, `p=0.5, ${INPLACE}`, {
    build(c) {
      const p = c.args.p;
      const value = typeof p === "number" ? p : p && typeof p === "object" && "value" in p ? Number(p.value) : 0.5;
      if (value < 0 || value > 1) {
        throw new PyError(
          "ValueError",
          `dropout probability has to be between 0 and 1, but got ${value}`,
          c.runtime.place,
        );
      }
    },
    forward(a) {
      const [p, given] = [a.number("p"), a.args.input];
      if (!(given instanceof PyTensor) || !a.training || p === 0) return given ?? null;
      if (name.endsWith("AlphaDropout")) return notYet(a);
      const y = name === "Dropout" ? build.dropout(a.input, p) : act.channelDropout(a.input, p, name);
      return a.option("inplace") === true ? replaceChecked(given, y, a.runtime) : y;
    },
  });
}
layer("RReLU", `lower=0.125, upper=0.3333333333333333, ${INPLACE}`, {
  forward: (a) => (a.training ? notYet(a) : act.leakyRelu(a.input, (a.number("lower") + a.number("upper")) / 2)),
});
