import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../../../../../../src/worker/formats/errors";
import { chooseModel, openModelFile } from "../../../../../../src/worker/readers/open";
import { temporaryFolder } from "../../../../formats/temporaryFolder";
import { CONVERSIONS, TRANSFORMERS } from "../../imports/transformers";

const SOURCE = `from torch import nn
from transformers import TinyConfig, TinyModel
model = TinyModel(TinyConfig())
class Other(TinyModel):
    pass
plain = nn.Sequential(nn.Linear(2, 3))
`;

describe("conversions of a model of transformers", () => {
  const at = temporaryFolder();

  const conversionsOf = async (name: string, more: Readonly<Record<string, string>>) => {
    for (const [file, text] of Object.entries({ ...TRANSFORMERS, ...more, "m.py": SOURCE })) {
      await mkdir(dirname(at(file)), { recursive: true });
      await writeFile(at(file), text);
    }
    return chooseModel(await openModelFile(at("m.py"), undefined, { packages: [at("site")] }), name).conversions?.();
  };

  it("are the results of its own functions, with the reverse of each rearrangement", async () => {
    const found = await conversionsOf("model", CONVERSIONS);
    assert.deepEqual(found, {
      base: "",
      load: [
        { kind: "rename", pattern: "(?P<g0>^dense)", sources: ["^dense"], targets: ["fc"], scope: "", steps: [] },
        {
          kind: "rearrange",
          pattern: "(?P<g0>rows..*\\.part)",
          sources: ["rows.*.part"],
          targets: ["head.weight"],
          steps: [{ name: "MergeModulelist", fields: { dim: 0 } }],
          reverse: {
            kind: "rearrange",
            pattern: "(?P<g0>head.weight)",
            sources: ["head.weight"],
            targets: ["rows.*.part"],
            steps: [{ name: "SplitModulelist", fields: { dim: 0 } }],
          },
        },
      ],
    });
  });

  it("are none for a class of the user's own, and none for a module of torch", async () => {
    assert.deepEqual((await conversionsOf("Other", CONVERSIONS))?.load, []);
    assert.equal(await conversionsOf("plain", CONVERSIONS), undefined);
  });

  it("are the class's patterns before transformers 5, and older names of PyTorch's", async () => {
    const tiny = `${TRANSFORMERS["site/transformers/tiny.py"]}
TinyModel._checkpoint_conversion_mapping = {"^visual": "model.visual", r"^(?!head)x": "^fc(.*)"}
`;
    const { load } = (await conversionsOf("model", { "site/transformers/tiny.py": tiny }))!;
    assert.deepEqual(load.at(-1), {
      kind: "paired",
      pattern: "(?P<g0>^visual)|(?P<g1>^(?!head)x)",
      sources: ["^visual", "^(?!head)x"],
      targets: ["model.visual", "fc"],
      steps: [],
    });
    assert.ok(load.some(({ targets }) => targets[0] === "LayerNorm.weight"));
  });

  it("that cannot be evaluated are an error with the reason, since weights would be missing without them", async () => {
    const broken = {
      "site/transformers/conversion_mapping.py": "def get_model_conversion_mapping(model):\n    return 1 / 0\n",
    };
    await assert.rejects(
      conversionsOf("model", broken),
      (error) =>
        error instanceof UserError &&
        /renames the weights of TinyModel could not be read.*division/.test(error.message),
    );
  });
});
