import { PyNative } from "../../../values/values";
import { moduleMethod } from "../module/moduleMethods";
import { walkModules } from "../module/moduleWalks";
import { startAgain } from "../random/init";
import { layerBases } from "./families";
import { layerClasses } from "./layer";

/** Layers that have `reset_parameters`: LoRA written as a subclass of Linear calls it. */
const RESETTABLE =
  /^(Linear|LazyLinear|Bilinear|(Lazy)?Conv(Transpose)?[123]d|(Lazy)?(Batch|Instance)Norm[123]d|SyncBatchNorm|GroupNorm|LayerNorm|RMSNorm|Embedding|EmbeddingBag|PReLU|RNNBase|(RNN|LSTM|GRU)(Cell)?|AdaptiveLogSoftmaxWithLoss)$/;

/** Running statistics begin again: what `reset_running_stats` of the normalizations does. */
const restart = moduleMethod("reset_running_stats", "", (self, _args, runtime) => {
  for (const [name, value] of [
    ["running_mean", 0],
    ["running_var", 1],
    ["num_batches_tracked", 0],
  ] as const) {
    const tensor = self.module?.buffers.get(name)?.tensor;
    if (tensor) startAgain(tensor, { kind: "constant", value }, runtime);
  }
  return null;
});
layerBases.get("_NormBase")!.members.set("reset_running_stats", restart);

// It computes on one machine what BatchNorm does, with the same weights.
layerClasses
  .get("SyncBatchNorm")!
  .members.set(
    "convert_sync_batchnorm",
    new PyNative("convert_sync_batchnorm", "module, process_group=None", (args) => args.module ?? null),
  );

for (const [name, type] of layerClasses) {
  if (!RESETTABLE.test(name)) continue;
  type.members.set(
    "reset_parameters",
    moduleMethod("reset_parameters", "", (self, _args, runtime) => {
      // A subclass may hold other layers: these stay as they are.
      const whole = name === "AdaptiveLogSoftmaxWithLoss";
      const modules = whole ? [...walkModules(self, runtime)].map(([, module]) => module) : [self];
      for (const { module } of modules) {
        for (const tensor of module?.parameters.values() ?? []) {
          const initializer = tensor?.firstValues;
          if (initializer) startAgain(tensor, initializer, runtime);
        }
      }
      return null;
    }),
  );
}
