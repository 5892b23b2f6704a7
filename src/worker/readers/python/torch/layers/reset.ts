import { startAgain } from "../init";
import { moduleMethod } from "../moduleMethods";
import { firstValues, layerClasses } from "./layer";

/** Layers that have `reset_parameters`: LoRA written as a subclass of Linear calls it. */
const RESETTABLE =
  /^(Linear|LazyLinear|Bilinear|(Lazy)?Conv(Transpose)?[123]d|(Lazy)?(Batch|Instance)Norm[123]d|SyncBatchNorm|GroupNorm|LayerNorm|RMSNorm|Embedding|EmbeddingBag|PReLU|(RNN|LSTM|GRU)(Cell)?)$/;

for (const [name, type] of layerClasses) {
  if (!RESETTABLE.test(name)) continue;
  type.members.set(
    "reset_parameters",
    moduleMethod("reset_parameters", "", (self, _args, runtime) => {
      for (const tensor of self.module?.parameters.values() ?? []) {
        const initializer = tensor && firstValues.get(tensor);
        if (initializer) startAgain(tensor, initializer, runtime);
      }
      return null;
    }),
  );
}
