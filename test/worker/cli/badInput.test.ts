import { strict as assert } from "node:assert";
import { readFile, writeFile } from "node:fs/promises";
import { temporaryFolder } from "../formats/temporaryFolder";
import { DIGITS, DIGITS_DATA, DIGITS_WEIGHTS, invoke } from "./invoke";

interface Layers {
  readonly models: readonly { readonly class: string; readonly layers: readonly { readonly path: string }[] }[];
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

describe("bad input on the command line", () => {
  const at = temporaryFolder();

  /** The command ends with 2, prints nothing on standard output, and says one line that matches. */
  async function refuses(expected: RegExp, ...args: readonly string[]): Promise<void> {
    const { code, out, error } = await invoke(...args);
    assert.match(error, expected);
    assert.equal(error.trimEnd().split("\n").length, 1, `more than one line: ${error}`);
    assert.equal(code, 2);
    assert.equal(out, "");
  }

  async function layersOf(text: string): Promise<Layers> {
    await writeFile(at("model.py"), text);
    const { code, out, error } = await invoke("layers", at("model.py"), "--json");
    assert.equal(error, "");
    assert.equal(code, 0);
    return JSON.parse(out) as Layers;
  }

  const train = (...args: readonly string[]) => ["train", DIGITS, "--label", "label", "--out", at("out"), ...args];

  it("lists a layer whose name is HTML without changing the name", async () => {
    const name = "<img src=x onerror=alert(1)>";
    const { models } = await layersOf(
      `from torch import nn\nclass M(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.add_module("${name}", nn.Linear(2, 3))\n`,
    );
    assert.deepEqual(
      models[0]?.layers.map((layer) => layer.path),
      [name],
    );
  });

  it("reports a syntax error at its line, and reads the rest", async () => {
    const { models, problems } = await layersOf(
      "from torch import nn\nclass M(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(2, 3)\n\nx = = 1\n",
    );
    assert.deepEqual(
      models.map((model) => model.class),
      ["M"],
    );
    assert.ok(problems.some((problem) => problem.line === 7));
  });

  it("reports that an empty file has no models", async () => {
    assert.deepEqual(await layersOf(""), { models: [], problems: [] });
    assert.match((await invoke("layers", at("model.py"))).out, /defines no model/);
    await refuses(/no class that derives from torch\.nn\.Module/, "verify", at("model.py"));
  });

  it("refuses a Python file of 5 MB at once, with a message", async () => {
    const { models, problems } = await layersOf(`from torch import nn\n${"x = 1  # filler\n".repeat(350_000)}`);
    assert.deepEqual(models, []);
    assert.match(problems[0]!.message, /5\.\d MB long; files of more than 2 MB are not read/);
  });

  it("refuses a truncated safetensors file", async () => {
    const bytes = await readFile(DIGITS_WEIGHTS);
    for (const length of [0, 4, 100, bytes.length - 1]) {
      await writeFile(at("cut.safetensors"), bytes.subarray(0, length));
      await refuses(/cut\.safetensors/, "verify", DIGITS, "--weights", at("cut.safetensors"));
    }
  });

  it("refuses weights of another model", async () => {
    await writeFile(at("model.py"), (await readFile(DIGITS, "utf8")).replace("hidden=128", "hidden=64"));
    await refuses(/has shape .* another size/, "verify", at("model.py"), "--weights", DIGITS_WEIGHTS);
  });

  it("refuses a CSV file without the label column, and names those it has", async () => {
    await writeFile(at("data.csv"), "a,b\n1,2\n");
    await refuses(/label/, ...train("--data", at("data.csv")));
  });

  it("refuses a CSV file with a value that is no number, and names its line and column", async () => {
    const lines = (await readFile(DIGITS_DATA, "utf8")).split("\n").slice(0, 5);
    lines[3] = lines[3]!.replace(/^[^,]*/, "ink");
    await writeFile(at("data.csv"), `${lines.join("\n")}\n`);
    await refuses(/data\.csv.*4.*p00.*ink|data\.csv.*4.*ink.*p00/, ...train("--data", at("data.csv")));
  });

  it("refuses a CSV file whose number of columns differs from the model's", async () => {
    await writeFile(at("data.csv"), "a,b,label\n1,2,0\n3,4,1\n");
    await refuses(/64 numbers per sample.*2 columns/, ...train("--data", at("data.csv")));
  });

  it("refuses more classes than the model has outputs", async () => {
    const header = Array.from({ length: 64 }, (_, i) => `p${i}`).join(",");
    const row = (label: number) => `${"0,".repeat(64)}${label}`;
    await writeFile(at("data.csv"), `${header},label\n${Array.from({ length: 11 }, (_, i) => row(i)).join("\n")}\n`);
    await refuses(/11 classes.*tells 10 apart/, ...train("--data", at("data.csv")));
  });

  it("refuses invalid ranks", async () => {
    for (const command of ["analyze", "verify"]) {
      await refuses(/rank must be .* not 0/, command, DIGITS, "--rank", "0");
      await refuses(/rank must be .* not -4/, command, DIGITS, "--rank", "-4");
      await refuses(/--rank.*whole number/, command, DIGITS, "--rank", "2.5");
      await refuses(/--rank.*number/, command, DIGITS, "--rank", "eight");
    }
  });

  it("refuses a target that matches nothing, and names those that are there", async () => {
    await refuses(/"q_proj" match no layer.*fc1, fc2, head/, "analyze", DIGITS, "--target-modules", "q_proj");
    await refuses(/match no layer/, "analyze", DIGITS, "--target-modules", "c1");
    await refuses(/not a valid Python regular expression/, "analyze", DIGITS, "--target-modules", "regex:(");
  });

  it("refuses missing files and folders in place of files", async () => {
    await refuses(/missing\.py cannot be read: there is no such file/, "layers", at("missing.py"));
    await refuses(/is not a model file/, "layers", at("."));
    await refuses(/missing\.csv/, ...train("--data", at("missing.csv")));
    await refuses(/missing\.safetensors/, "verify", DIGITS, "--weights", at("missing.safetensors"));
    await refuses(/nowhere/, "verify", DIGITS, "--adapter", at("nowhere"));
    await refuses(/missing\.npz/, "run", DIGITS, "--inputs", at("missing.npz"), "--out", at("y.npz"));
  });

  it("refuses an unknown class, and names those that are there", async () => {
    await refuses(/no model Digits; it has DigitClassifier/, "analyze", DIGITS, "--class", "Digits");
  });

  it("refuses invalid training settings", async () => {
    const data = ["--data", DIGITS_DATA];
    await refuses(/learning rate must be above 0, not -0.1/, ...train(...data, "--learning-rate", "-0.1"));
    await refuses(/epochs must be .* not 0/, ...train(...data, "--epochs", "0"));
    await refuses(/batch size must be .* not -1/, ...train(...data, "--batch-size", "-1"));
    await refuses(/validation share must be .* not 0.9/, ...train(...data, "--validation", "0.9"));
    await refuses(/--method must be/, ...train(...data, "--method", "qlora"));
  });

  it("refuses a command, an option and an engine it does not know", async () => {
    await refuses(/unknown command 'analyse'/, "analyse", DIGITS);
    await refuses(/unknown option '--rnk'/, "analyze", DIGITS, "--rnk", "8");
    await refuses(/--engine/, "verify", DIGITS, "--engine", "torch");
    await refuses(/missing required argument 'file'/, "layers");
  });
});
