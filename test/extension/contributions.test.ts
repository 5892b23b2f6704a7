import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { engineLabel, engineLabels } from "../../src/extension/status/engineLabels";
import { COMMANDS } from "../../src/protocol/commands";
import { JOBS, type JobKind } from "../../src/protocol/jobRegistry";
import { TRAIN_METHODS } from "../../src/protocol/training";
import { engines } from "../../src/worker/engines/choose";

const PACKAGE = JSON.parse(readFileSync(join(__dirname, "../../package.json"), "utf8"));

describe("package.json's contributions", () => {
  it("offer each engine under its own name, and the automatic choice", () => {
    const {
      enum: ids,
      enumItemLabels,
      markdownEnumDescriptions,
    } = PACKAGE.contributes.configuration.properties["loraLens.engine"];
    const listed = new Map(ids.map((id: string, i: number) => [id, enumItemLabels[i]]));
    const expected = new Map([["auto", "Automatic"], ...engines().map(({ id, label }) => [id, label] as const)]);
    assert.deepEqual(new Map([...listed].sort()), new Map([...expected].sort()));
    assert.equal(markdownEnumDescriptions.length, ids.length);
  });

  it("have a command for each job, which begins with the job's verb and is in the models' menus", () => {
    const { commands, menus } = PACKAGE.contributes;
    const titles = new Map<string, string>(
      commands.map((c: { command: string; title: string }) => [c.command, c.title]),
    );
    for (const [kind, { verb }] of Object.entries(JOBS)) {
      const id = COMMANDS[kind as JobKind];
      assert.match(titles.get(id) ?? "", new RegExp(`^${verb}\\b`), id);
      for (const menu of ["loraLens.editor", "loraLens.explorer"]) {
        assert.ok(
          menus[menu].some((entry: { command: string }) => entry.command === id),
          `${id} is not in ${menu}`,
        );
      }
    }
    assert.deepEqual([...titles.keys()].sort(), Object.values(COMMANDS).sort());
  });

  it("name the learning rates that each method takes", () => {
    const { default: value, markdownDescription } =
      PACKAGE.contributes.configuration.properties["loraLens.training.learningRate"];
    assert.equal(value, null);
    for (const { learningRate } of Object.values(TRAIN_METHODS))
      assert.ok(markdownDescription.includes(`\`${learningRate}\``));
  });

  it("have a walkthrough whose links are commands and whose pages exist", () => {
    const ours = new Set<string>(Object.values(COMMANDS));
    const [{ steps }] = PACKAGE.contributes.walkthroughs;
    for (const { description, media, completionEvents = [] } of steps) {
      const links = [...description.matchAll(/\(command:([\w.]+)\)/g)].map(([, command]) => command);
      assert.ok(links.length > 0, description);
      for (const command of links) assert.ok(command.startsWith("workbench.") || ours.has(command), command);
      for (const event of completionEvents) assert.ok(ours.has(event.replace("onCommand:", "")), event);
      assert.notEqual(readFileSync(join(__dirname, "../..", media.markdown), "utf8"), "");
    }
  });

  it("give the status bar the engines' names", () => {
    const labels = engineLabels(PACKAGE);
    assert.equal(engineLabel("auto", labels), "fastest engine");
    for (const { id, label } of engines()) assert.equal(engineLabel(id, labels), label);
    assert.equal(engineLabel("tensorrt", labels), "tensorrt");
  });
});
