import { float32, type Tensor } from "../../formats/tensor";
import { add, div, mul, scalar, sub, unary } from "../../graph/build";
import { type Optimizer, type OptimizerOptions, type OptimizerRow, zeros } from "./optimizer";

const MOMENT_1 = "state.moment1";
const MOMENT_2 = "state.moment2";
const STEP_SIZE = "optimizer.stepSize";
const CORRECTION = "optimizer.correction";
const DECAY = "optimizer.decay";

/** Adam's hyperparameters, with PyTorch's defaults. */
export interface AdamOptions extends OptimizerOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
}

/** Adam (arXiv 1412.6980, in PyTorch's formulation) adds weight decay to the gradient (L2). */
export const adam: OptimizerRow = { id: "adam", label: "Adam", make: (options) => adamOptimizer(options, false) };

/** AdamW shrinks the weights instead (decoupled weight decay, arXiv 1711.05101). */
export const adamw: OptimizerRow = { id: "adamw", label: "AdamW", make: (options) => adamOptimizer(options, true) };

function adamOptimizer(options: AdamOptions, decoupled: boolean): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0 } = options;
  const shrinks = weightDecay !== 0 && decoupled;
  return {
    state: [zeros(MOMENT_1), zeros(MOMENT_2)],
    scalars: [STEP_SIZE, CORRECTION, ...(shrinks ? [DECAY] : [])],

    feeds(t, learningRate) {
      const feeds = new Map<string, Tensor>([
        [STEP_SIZE, float32([], [learningRate / (1 - beta1 ** t)])],
        [CORRECTION, float32([], [1 / Math.sqrt(1 - beta2 ** t)])],
      ]);
      if (shrinks) feeds.set(DECAY, float32([], [1 - learningRate * weightDecay]));
      return feeds;
    },

    update({ parameters, gradient: given, state, scalars }) {
      const before = shrinks ? mul(parameters, scalars.get(DECAY)!) : parameters;
      const gradient = weightDecay !== 0 && !decoupled ? add(given, mul(parameters, scalar(weightDecay))) : given;
      const m = add(mul(state.get(MOMENT_1)!, scalar(beta1)), mul(gradient, scalar(1 - beta1)));
      const v = add(mul(state.get(MOMENT_2)!, scalar(beta2)), mul(mul(gradient, gradient), scalar(1 - beta2)));
      const denominator = add(mul(unary("sqrt", v), scalars.get(CORRECTION)!), scalar(eps));
      return {
        parameters: sub(before, mul(scalars.get(STEP_SIZE)!, div(m, denominator))),
        state: new Map([
          [MOMENT_1, m],
          [MOMENT_2, v],
        ]),
      };
    },
  };
}
