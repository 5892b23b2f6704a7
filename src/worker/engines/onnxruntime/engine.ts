import { availableParallelism } from "node:os";
import type * as Ort from "onnxruntime-node";
import { UserError } from "../../formats/errors";
import { sizeOf } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import type { Node } from "../../graph/node";
import type { Availability, CompileOptions, Engine, EngineTensor, Executable, Feed } from "../engine";
import { checkFeeds } from "../feeds";
import { type LoweredModel, lower } from "./lower";
import { ALL_KERNELS, WEBGPU_KERNELS } from "./lowering";
import { probe } from "./probe";
import { OrtTensor, toOrt } from "./tensor";
import { bindWeights } from "./weights";

export type Provider = "cpu" | "webgpu" | "cuda";

const LABELS: Readonly<Record<Provider, string>> = {
  cpu: "ONNX Runtime (CPU)",
  webgpu: "ONNX Runtime (WebGPU)",
  cuda: "ONNX Runtime (CUDA)",
};

/** ONNX Runtime through onnxruntime-node, with one of its execution providers. */
export function onnxruntimeEngine(provider: Provider): Engine {
  let availability: Promise<Availability> | undefined;
  return {
    id: `onnxruntime-${provider}`,
    label: LABELS[provider],
    available() {
      availability ??= findOut(provider);
      return availability;
    },
    compile: (graph, options) => compile(graph, options, provider),
  };
}

let loaded: Promise<typeof Ort> | undefined;

function load(): Promise<typeof Ort> {
  loaded ??= import("onnxruntime-node").then((module) => {
    // Errors come back as exceptions; what it would print besides would mix with the output of --json or of LSP.
    module.env.logLevel = "fatal";
    return module;
  });
  return loaded;
}

async function findOut(provider: Provider): Promise<Availability> {
  try {
    const ort = await load();
    if (provider === "cpu") {
      const threads = availableParallelism();
      return { available: true, device: `${threads} CPU ${threads === 1 ? "thread" : "threads"}` };
    }
    const listed = ort.listSupportedBackends().some((backend) => backend.name === provider);
    return await probe(provider, listed);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      available: false,
      reason: `onnxruntime-node does not load on ${process.platform}-${process.arch}: ${why.split("\n")[0]}`,
    };
  }
}

async function compile(graph: Graph, { parameters, signal }: CompileOptions, provider: Provider): Promise<Executable> {
  const ort = await load();
  signal?.throwIfAborted();
  const model = lower(graph, provider === "webgpu" ? WEBGPU_KERNELS : ALL_KERNELS);
  const weights = await bindWeights(graph, model.parameters, parameters);
  try {
    signal?.throwIfAborted();
    const options = sessionOptions(provider, model, weights.folder);
    const session = await ort.InferenceSession.create(model.encode(weights.initializers), options);
    if (signal?.aborted) await session.release();
    signal?.throwIfAborted();
    return new OrtExecutable(ort, session, graph, model, provider);
  } catch (error) {
    throw signal?.aborted ? signal.reason : explained(error, graph, model, provider);
  } finally {
    await weights.release();
  }
}

function sessionOptions(
  provider: Provider,
  model: LoweredModel,
  folder: string | undefined,
): Ort.InferenceSession.SessionOptions {
  return {
    executionProviders: provider === "cpu" ? ["cpu"] : [provider, "cpu"],
    graphOptimizationLevel: "all",
    intraOpNumThreads: availableParallelism(),
    logSeverityLevel: 4,
    ...(provider === "webgpu" ? { preferredOutputLocation: outputLocations(model) } : {}),
    // It would reserve the plan of a whole run beside the arena: a GPT's training step took 789 MB with it and 446 MB
    // without, in no more time.
    enableMemPattern: false,
    extra: {
      ...(folder === undefined ? {} : { "session.model_external_initializers_file_folder_path": folder }),
      // Folding would make float32 copies of half-precision weights, which the graph casts as it goes.
      "optimization.disable_specified_optimizers": "ConstantFolding",
    },
  };
}

/** State, which is an output under the name of an input, stays on the GPU; other results are there to be read. */
function outputLocations(model: LoweredModel): Record<string, "cpu" | "gpu-buffer"> {
  return Object.fromEntries(
    [...model.outputs].map(([name, { name: value, node, hostType }]) => {
      const fed = model.inputs.get(name)?.node;
      const stays = fed !== undefined && hostType === "float32" && node.dtype === "float32" && sizeOf(node.shape) > 0;
      return [value, stays ? "gpu-buffer" : "cpu"];
    }),
  );
}

class OrtExecutable implements Executable {
  constructor(
    private readonly ort: typeof Ort,
    private readonly session: Ort.InferenceSession,
    private readonly graph: Graph,
    private readonly model: LoweredModel,
    private readonly provider: Provider,
  ) {}

  async run(feeds: ReadonlyMap<string, Feed>): Promise<Map<string, EngineTensor>> {
    checkFeeds(this.graph, feeds, (feed): feed is OrtTensor => feed instanceof OrtTensor);
    const values: Record<string, Ort.Tensor> = {};
    for (const input of this.session.inputNames) {
      const feed = feeds.get(this.model.inputNames.get(input)!)!;
      values[input] = feed instanceof OrtTensor ? feed.value : toOrt(this.ort, feed as Exclude<Feed, EngineTensor>);
    }
    let results: Ort.InferenceSession.ReturnType;
    try {
      results = await this.session.run(values);
    } catch (error) {
      throw explained(error, this.graph, this.model, this.provider);
    }
    const outputs = new Map<string, EngineTensor>();
    for (const [name, { name: value, node }] of this.model.outputs) {
      outputs.set(name, new OrtTensor(this.ort, results[value] as Ort.Tensor, node.shape, node.dtype));
    }
    return outputs;
  }

  dispose(): Promise<void> {
    return this.session.release();
  }
}

/** Turns limits of the device or its memory into a UserError that names the op; returns any other error unchanged. */
function explained(error: unknown, graph: Graph, model: LoweredModel, provider: Provider): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const node = model.origins.get(/[Nn]ame:\s*'([^']+)'/.exec(error.message)?.[1] ?? "");
  const where = node ? ` at ${describe(node)}` : "";
  const place = node?.place && { file: node.place.file, line: node.place.line };
  if (/bad_alloc|failed to allocate|out of memory/i.test(error.message)) {
    return new UserError(
      `${LABELS[provider]} ran out of memory${where} in ${graph.name}: use a smaller batch, or a smaller model`,
      place,
    );
  }
  if (/NOT_IMPLEMENTED|Could not find an implementation/i.test(error.message)) {
    return new UserError(`${LABELS[provider]} cannot compute this${where} in ${graph.name}: ${error.message}`, place);
  }
  if (provider !== "cpu") {
    return new UserError(`${LABELS[provider]} failed${where} in ${graph.name}: ${error.message}`, place);
  }
  return error;
}

function describe(node: Node): string {
  const operands = node.inputs.map((n) => `${n.dtype} [${n.shape.join(", ")}]`).join(", ");
  return `${node.op}(${operands})`;
}
