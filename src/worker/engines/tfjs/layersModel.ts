import type * as Tf from "@tensorflow/tfjs";
import type { Tensor } from "../../formats/tensor";
import { toTf } from "./tensor";

/** A layers model as `tf.loadLayersModel` gets it from a model.json and its weights. */
export interface LayersModel {
  readonly modelTopology: object;
  readonly weightSpecs: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[];
  readonly weightData: Uint8Array;
}

export interface Predicted {
  readonly version: string;
  /** In the order of the model's outputs. */
  readonly outputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly data: Float32Array;
  }[];
}

/** TensorFlow.js's error about a model, and the layer that caused it if it occurred during prediction. */
export class RefusedModel extends Error {
  override readonly name = "RefusedModel";

  constructor(
    message: string,
    readonly layer?: string,
  ) {
    super(message);
  }
}

/**
 * Loads the model with TensorFlow.js and has it predict, on the back end that has every kernel. Throws a RefusedModel.
 * `inputs` are in the order of the model's inputs.
 */
export async function predict(artifacts: LayersModel, inputs: readonly Tensor[]): Promise<Predicted> {
  const tf = await import("@tensorflow/tfjs");
  // In production mode it prints no advice.
  tf.env().set("PROD", true);
  const before = tf.getBackend();
  if (!(await tf.setBackend("cpu"))) throw new Error("TensorFlow.js' plain JavaScript back end does not start");
  await tf.ready();
  tf.engine().startScope();
  let model: Tf.LayersModel | undefined;
  try {
    const loaded = await load(tf, artifacts);
    model = loaded;
    const given = inputs.map((tensor, i) => {
      const value = toTf(tf, tensor, `input ${i}`);
      return tf.cast(value, loaded.inputs[i]?.dtype ?? value.dtype);
    });
    const predicted = outputsOf(tf, loaded, given);
    const names = model.outputNames;
    const outputs = await Promise.all(
      predicted.map(async (tensor, i) => ({
        name: names[i] ?? `output ${i}`,
        shape: tensor.shape,
        data: Float32Array.from(await tensor.data()),
      })),
    );
    return { version: tf.version.tfjs, outputs };
  } finally {
    model?.dispose();
    tf.engine().endScope();
    if (before) await tf.setBackend(before);
  }
}

async function load(tf: typeof Tf, { weightData, weightSpecs, modelTopology }: LayersModel): Promise<Tf.LayersModel> {
  const { buffer, byteOffset, byteLength } = weightData;
  try {
    return await tf.loadLayersModel(
      tf.io.fromMemory({
        modelTopology,
        weightSpecs: weightSpecs.map(({ name, shape }) => ({ name, shape: [...shape], dtype: "float32" })),
        weightData: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer,
      }),
    );
  } catch (error) {
    throw new RefusedModel(messageOf(error));
  }
}

function outputsOf(tf: typeof Tf, model: Tf.LayersModel, inputs: readonly Tf.Tensor[]): Tf.Tensor[] {
  const run = (each: Tf.LayersModel) => [each.predict(inputs.length === 1 ? inputs[0]! : [...inputs])].flat();
  try {
    return run(model);
  } catch (error) {
    // The error does not name the layer: it is the first one up to which the model cannot predict.
    const failing = model.layers.find((layer) => {
      try {
        run(tf.model({ inputs: model.inputs, outputs: layer.output }));
        return false;
      } catch {
        return true;
      }
    });
    throw new RefusedModel(messageOf(error), failing?.name);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
