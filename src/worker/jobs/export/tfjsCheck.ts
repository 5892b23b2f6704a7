import type { MergeReport } from "../../../protocol/reports";
import { chooseEngine } from "../../engines/choose";
import type { ParameterValue } from "../../engines/engine";
import { type LayersModel, predict, RefusedModel } from "../../engines/tfjs/layersModel";
import { toFloat32 } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import type { Tensor } from "../../formats/tensor";
import { sameShape, shapeText } from "../../graph/shapes";
import { Random } from "../../numbers/random";
import { removeDropout } from "../../passes/dropout";
import { simplify } from "../../passes/simplify";
import type { KerasModel } from "../../readers/keras/model";
import { type Model, type Traced, walkModules } from "../../readers/model";
import { drawNoise } from "../noise";
import { randomInputs, runOnce, valuesFor } from "../opened";
import { longestSum, productCount } from "../verify/products";
import { tolerance } from "../verify/tolerance";

/** An export is done when TensorFlow.js itself has loaded it and predicts what the merged model computes. */

const SEED = 5;

/**
 * Two libraries sum in different orders and have their own exponential functions: allow ten times the tolerance of one.
 */
const ROOM = 10;

/** Throws a UserError that names the layer that TensorFlow.js refuses, or the output that differs. */
export async function checkLayersModel(
  model: KerasModel,
  artifacts: LayersModel,
  values: ReadonlyMap<string, ParameterValue>,
): Promise<NonNullable<MergeReport["loadedBy"]>> {
  const { inputs, graph } = model.trace();
  const feeds = new Map<string, Tensor>([...randomInputs(inputs, SEED), ...drawNoise(graph, new Random(SEED))]);
  const { version, outputs } = await theirs(model, artifacts, inputs, feeds);
  const library = `TensorFlow.js ${version}`;
  const evaluated = simplify(removeDropout(graph));
  const { engine } = await chooseEngine("onnxruntime-cpu");
  const ours = [...(await runOnce(engine, evaluated, valuesFor(evaluated, values), feeds)).values()];
  let worst = 0;
  for (const [i, output] of outputs.entries()) {
    const expected = ours[i];
    if (!expected || !sameShape(expected.shape, output.shape)) {
      const ask = expected ? shapeText(expected.shape) : "no such output";
      throw differs(model, `${output.name} has shape ${shapeText(output.shape)} instead of ${ask}`);
    }
    const wanted = toFloat32(expected);
    const magnitude = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const { bound } = tolerance(longestSum(evaluated), productCount(evaluated), magnitude);
    const difference = wanted.reduce((most, v, j) => Math.max(most, Math.abs(v - output.data[j]!)), 0);
    if (!(difference <= ROOM * bound)) {
      throw differs(
        model,
        `${output.name} differs by ${difference.toPrecision(2)}, with values up to ${magnitude.toPrecision(2)}`,
      );
    }
    worst = Math.max(worst, difference);
  }
  return { library, difference: worst };
}

async function theirs(
  model: Model,
  artifacts: LayersModel,
  inputs: Traced["inputs"],
  feeds: ReadonlyMap<string, Tensor>,
) {
  try {
    return await predict(
      artifacts,
      inputs.map(({ name }) => feeds.get(name)!),
    );
  } catch (error) {
    if (!(error instanceof RefusedModel)) throw error;
    const note = error.message.replace(/\.$/, "");
    const named = layerNamedBy(model, error.layer ?? note);
    const layer = named ? `the layer "${named.path}" (${named.kind})` : "the model";
    throw new UserError(
      `nothing was written, since TensorFlow.js does not accept ${layer} of ${model.className}: ${note}; merge into .safetensors instead`,
      { file: model.file, line: (named ?? model).place.line },
    );
  }
}

/** The layer with the longest name that occurs in the text. */
function layerNamedBy(model: Model, text: string) {
  const words = new Set(text.split(/[^\w.-]+/).map((word) => word.replace(/\.$/, "")));
  return [...walkModules(model.root)]
    .filter(({ path }) => path !== "" && words.has(path.split(".").at(-1)!))
    .sort((a, b) => b.path.length - a.path.length)[0];
}

function differs(model: Model, how: string): UserError {
  return new UserError(
    `nothing was written: the model that TensorFlow.js loads does not compute what ${model.className} computes: ${how}; merge into .safetensors instead`,
    { file: model.file },
  );
}
