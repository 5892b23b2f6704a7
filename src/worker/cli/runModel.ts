import type { EngineChoice, ModelChoice } from "../../protocol/jobs";
import { chooseEngine } from "../engines/choose";
import { convert } from "../formats/convert";
import { UserError } from "../formats/errors";
import { readNpz, writeNpz } from "../formats/numpy/npz";
import type { Tensor } from "../formats/tensor";
import { openAdapter } from "../jobs/adapter";
import type { OpenOptions } from "../jobs/adapterBase";
import { drawNoise } from "../jobs/noise";
import { openModel, runOnce, valuesFor, withStored } from "../jobs/opened";
import { Random } from "../numbers/random";
import { removeDropout } from "../passes/dropout";
import { injectLora } from "../passes/lora";
import { simplify } from "../passes/simplify";
import type { RunResult } from "./outputs";

export interface RunRequest {
  readonly model: ModelChoice;
  readonly adapterFolder?: string;
  /** An .npz file with an array for each of forward's parameters, by name. */
  readonly inputs: string;
  /** The .npz file to write. */
  readonly output: string;
  readonly engine: EngineChoice;
}

/** Evaluates `forward` in evaluation mode on given inputs. */
export async function runModel(request: RunRequest, options: OpenOptions = {}): Promise<RunResult> {
  const opened = await openModel(request.model);
  const given = await readNpz(request.inputs);
  const double = opened.model.stateDict.some((entry) => entry.dtype === "float64");
  const feeds = new Map([...given].map(([name, tensor]) => [name, asTorch(tensor, double)]));
  const inputs = [...feeds].map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
  const plain = opened.model.trace({ inputs });
  const adapter =
    request.adapterFolder === undefined
      ? undefined
      : await openAdapter(opened, request.adapterFolder, { ...options, graph: plain.graph });
  const values = adapter?.values ?? opened.values;
  const { graph: traced } = withStored(plain, values);
  for (const [name, value] of drawNoise(traced, new Random(opened.seed + 3)))
    if (!feeds.has(name)) feeds.set(name, value);
  const missing = traced.inputs.filter((node) => !feeds.has(node.attrs.name)).map((node) => node.attrs.name);
  const known = new Set(traced.inputs.map((node) => node.attrs.name));
  const extra = [...feeds.keys()].filter((name) => !known.has(name));
  if (missing.length > 0 || extra.length > 0) {
    throw new UserError(
      `${request.inputs} must hold an array for each input of forward (${[...known].join(", ")})${missing.length > 0 ? `; missing: ${missing.join(", ")}` : ""}${extra.length > 0 ? `; not an input: ${extra.join(", ")}` : ""}`,
      { file: request.inputs },
    );
  }
  const adapted = adapter ? injectLora(traced, adapter.layers, { skipFused: true }) : traced;
  const graph = simplify(removeDropout(adapted));
  const { engine, device } = await chooseEngine(request.engine);
  const outputs = await runOnce(engine, graph, valuesFor(graph, values, adapter?.tensors), feeds);
  await writeNpz(request.output, outputs);
  return {
    output: request.output,
    engine: engine.label,
    device,
    weights: opened.weights,
    outputs: [...outputs].map(([name, { shape, dtype }]) => ({ name, shape, dtype })),
    ...(adapter?.injection.warnings && { warnings: adapter.injection.warnings }),
  };
}

/** NumPy's float64 default becomes PyTorch's float32, but for a model of float64. */
function asTorch(tensor: Tensor, double: boolean): Tensor {
  return tensor.dtype === "float64" && !double ? convert(tensor, "float32") : tensor;
}
