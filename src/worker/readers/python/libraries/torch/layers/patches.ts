import { PyError, PyTensor } from "../../../values/values";
import { softmax } from "../functions/activations";
import { embeddingBag } from "../functions/bags";
import { pairwiseDistance } from "../functions/distances";
import { localResponseNorm } from "../functions/normalization";
import { fold, type PatchArgs, unfold } from "../functions/patches";
import { lpPool } from "../functions/windows";
import { nodeOf } from "../tensor/tensor";
import { type Application, layer, notYet } from "./layer";
import { fromPretrained, paddingRow } from "./linear";

/** Layers of patches, bags and distances. */

const patches = (a: Application): PatchArgs => ({
  kernel: a.option("kernel_size"),
  dilation: a.option("dilation"),
  padding: a.option("padding"),
  stride: a.option("stride"),
});
layer("Unfold", "kernel_size, dilation=1, padding=0, stride=1", { forward: (a) => unfold(a.input, patches(a)) });
layer("Fold", "output_size, kernel_size, dilation=1, padding=0, stride=1", {
  forward: (a) => fold(a.input, a.option("output_size"), patches(a)),
});

const bagClass = layer(
  "EmbeddingBag",
  "num_embeddings, embedding_dim, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode='mean', sparse=False, _weight=None, include_last_offset=False, padding_idx=None, device=None, dtype=None",
  {
    build(c) {
      const [rows, width] = [c.size("num_embeddings"), c.size("embedding_dim")];
      paddingRow(c, rows, width, c.parameter("weight", [rows, width], { kind: "normal", mean: 0, std: 1 }));
    },
    inputs: "input, offsets=None, per_sample_weights=None",
    forward(a) {
      const optional = (name: string) => {
        const value = a.args[name];
        return value instanceof PyTensor ? nodeOf(value, a.runtime) : undefined;
      };
      const number = (name: string) => (a.option(name) === null ? undefined : a.number(name));
      return embeddingBag(a.input, a.required("weight"), {
        mode: String(a.option("mode")),
        offsets: optional("offsets"),
        includesLast: a.option("include_last_offset") === true,
        perSample: optional("per_sample_weights"),
        padding: number("padding_idx"),
        maxNorm: number("max_norm"),
        normType: a.number("norm_type"),
      });
    },
  },
);

bagClass.members.set("from_pretrained", fromPretrained("EmbeddingBag"));

layer("PairwiseDistance", "p=2.0, eps=1e-06, keepdim=False", {
  build: (c) => c.show("norm", c.shown("p")),
  inputs: "x1, x2",
  forward: (a) =>
    pairwiseDistance(a.tensor("x1"), a.tensor("x2"), a.number("norm"), a.number("eps"), a.option("keepdim") === true),
  without: ["p"],
});
layer("Softmax2d", "", {
  forward(a) {
    const rank = a.input.shape.length;
    if (rank !== 3 && rank !== 4) {
      throw new PyError("ValueError", `Softmax2d: expected input to be 3D or 4D, got ${rank}D instead`);
    }
    return softmax(a.input, rank - 3);
  },
});
layer("LocalResponseNorm", "size, alpha=0.0001, beta=0.75, k=1.0", {
  forward: (a) => localResponseNorm(a.input, a.number("size"), a.number("alpha"), a.number("beta"), a.number("k")),
});
layer("CrossMapLRN2d", "size, alpha=0.0001, beta=0.75, k=1", { forward: notYet });
for (const rank of [1, 2, 3]) {
  layer(`LPPool${rank}d`, "norm_type, kernel_size, stride=None, ceil_mode=False", {
    forward: (a) =>
      lpPool(a.input, rank, a.number("norm_type"), {
        kernel: a.option("kernel_size"),
        stride: a.option("stride"),
        padding: 0,
        ceilMode: a.option("ceil_mode") === true,
      }),
  });
}
