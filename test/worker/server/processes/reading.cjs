/** Stands in for the reading thread: the text says what to do. Problems say what happened. */
const { parentPort } = require("node:worker_threads");

let count = 0;
parentPort.on("message", (command) => {
  if (command.type === "shapes") {
    const place = { line: 2, column: 1, endLine: 2, endColumn: 3 };
    const hint = { place, dims: ["B", "512"], dtype: "float32", shapes: [[2, 512]], runs: 1, trace: 0 };
    const input = { name: "x", shape: [2, 512], dtype: "float32" };
    const names = [{ name: "B", input: "x", axis: 0, size: 2 }];
    const traces = [{ class: "Net", inputs: [input], inputsFrom: "the call at line 9", names }];
    const problem = { line: 3, message: `shapes of ${command.file}`, severity: "error", place, code: "shape-mismatch" };
    parentPort.postMessage({ ok: true, value: { traces, hints: [hint], problems: [problem] } });
    return;
  }
  count++;
  if (command.type === "inject") {
    parentPort.postMessage({ ok: true, value: { model: command.params.model.class, text: command.params.model.text } });
    return;
  }
  const { text, file } = command;
  if (text.includes("# crash")) throw new Error("out of wits");
  if (text.includes("# exit")) process.exit(3);
  if (text.includes("# hang")) for (;;);
  if (text.includes("# defect")) {
    parentPort.postMessage({ ok: false, error: { message: "cannot read this", defect: true } });
    return;
  }
  // Until it is abandoned, which proves that the flag arrives while the thread is busy.
  if (text.includes("# until cancelled")) Atomics.wait(new Int32Array(command.cancel), 0, 0);
  const place = { line: 1, column: 1, endLine: 1, endColumn: 6 };
  const layers = [...text.matchAll(/Linear\((\d+), (\d+)\)/g)].map(([, from, to], i) => ({
    path: `fc${i}`,
    kind: "Linear",
    inFeatures: Number(from),
    outFeatures: Number(to),
    bias: true,
    parameters: (Number(from) + 1) * Number(to),
    line: i + 2,
    place: { line: i + 2, column: 1, endLine: i + 2, endColumn: 20 },
  }));
  const model = { class: "Net", line: 1, place, parameters: 0, layers };
  const message = `reading ${count} of ${file}`;
  parentPort.postMessage({
    ok: true,
    value: {
      summary: { models: [model], problems: [{ line: 1, message, severity: "information", place }] },
      defaultTargets: new Map([["Net", layers.slice(0, -1).map((layer) => layer.path)]]),
    },
  });
});
