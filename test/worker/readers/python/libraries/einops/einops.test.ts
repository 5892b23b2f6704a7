import assert from "node:assert/strict";
import type { Node } from "../../../../../../src/worker/graph/node";
import { modelNamed, readTorch } from "../../reading";

/** The operators from a model's output back to its input, with shapes and attributes. */
async function chain(forward: string, layer = "nn.Identity()"): Promise<string[]> {
  const opened = await readTorch(
    `from einops import rearrange, repeat, reduce, pack, unpack, einsum, parse_shape\nfrom einops.layers.torch import Rearrange, Reduce\n` +
      `class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.l = ${layer}\n` +
      `    def forward(self, x):\n        return ${forward}\n`,
  );
  const inputs = [{ name: "x", shape: [2, 3, 4, 6], dtype: "float32" as const }];
  const { graph } = modelNamed(opened, "M").trace({ inputs });
  const steps: string[] = [];
  for (let node: Node | undefined = graph.outputs.values().next().value; node; node = node.inputs[0]) {
    steps.push(`${node.op} ${JSON.stringify(node.attrs)} [${node.shape}]`);
  }
  return steps;
}

describe("einops", () => {
  const same = (name: string, einops: string, torch: string, layer?: string) =>
    it(name, async () => assert.deepEqual(await chain(einops, layer), await chain(torch)));

  const patches = "x.reshape(2, 3, 2, 2, 3, 2).permute(0, 2, 4, 3, 5, 1).reshape(2, 6, 12)";
  const pattern = "'b c (h p) (w q) -> b (h w) (p q c)', p=2, q=2";
  same("rearranges into patches", `rearrange(x, ${pattern})`, patches);
  same("rearranges as a layer", "self.l(x)", patches, `Rearrange(${pattern})`);
  same("keeps what an ellipsis covers", "rearrange(x, 'b ... d -> d b ...')", "x.permute(3, 0, 1, 2)");
  same(
    "joins what an ellipsis in brackets covers",
    "rearrange(x, 'b c ... -> b (...) c')",
    "x.permute(0, 2, 3, 1).reshape(2, 24, 3)",
  );
  same("reduces", "reduce(x, 'b c h w -> b c', 'max')", "x.amax((2, 3))");
  same(
    "repeats along a new axis",
    "repeat(x, 'b c h w -> r b c h w', r=5)",
    "x.reshape(1, 2, 3, 4, 6).expand(5, 2, 3, 4, 6)",
  );

  same("packs the axes that a star covers", "pack([x], 'b * w')[0]", "x.reshape(2, 12, 6)");
  same(
    "packs tensors of several ranks",
    "pack([x, x[:, 0]], 'b * w')[0]",
    "torch.cat([x.reshape(2, 12, 6), x[:, 0].reshape(2, 4, 6)], 1)",
  );
  same(
    "unpacks what pack packed",
    "unpack(*pack([x], 'b * w'), 'b * w')[0]",
    "x.reshape(2, 12, 6).reshape(2, 3, 4, 6)",
  );
  same("unpacks into an open length", "unpack(x, [[1], [-1]], 'b * h w')[1]", "x[:, 1:].reshape(2, 2, 4, 6)");
  same(
    "has axes of several letters in einsum",
    "einsum(x, x, 'b ch i d, b ch j d -> b ch i j')",
    "torch.einsum('bcid,bcjd->bcij', x, x)",
  );
  same("keeps an ellipsis in einsum", "einsum(x, 'b ... dim -> b dim ...')", "x.permute(0, 3, 1, 2)");
  same(
    "tells the lengths of named axes",
    "x + parse_shape(x, 'b ... w')['w'] + parse_shape(x, '_ 3 h w')['h']",
    "x + 6 + 4",
  );

  it("refuses to unpack shapes that do not add up", async () => {
    await assert.rejects(chain("unpack(x, [[1], [1]], 'b * h w')[0]"), /could not split axis of length 3 into 2/);
  });

  it("refuses lengths that do not divide", async () => {
    await assert.rejects(
      chain("rearrange(x, 'b c (h p) w -> b c h p w', p=3)"),
      /can't divide axis of length 4 in chunks of 3/,
    );
  });
});
