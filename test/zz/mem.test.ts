import { readFileSync } from "node:fs";
import { peakActivationBytes } from "../../src/worker/engines/liveness";
import { sizeOf, byteLengthOf } from "../../src/worker/formats/tensor";
import { isFloating } from "../../src/worker/formats/dtype";
import { add, cast, mul, reduceAll } from "../../src/worker/graph/build";
import { Graph } from "../../src/worker/graph/graph";
import { planAdapter } from "../../src/worker/jobs/adapter";
import { openChosenModel } from "../../src/worker/readers/open";
import { trainedNames } from "../../src/worker/lora/variants/costs";
import { injectLora } from "../../src/worker/passes/lora";
import { maskDropout } from "../../src/worker/passes/dropout";
import { simplify } from "../../src/worker/passes/simplify";
import { differentiate } from "../../src/worker/passes/autodiff";
import { trainingStep } from "../../src/worker/training/step";
import { defaultOptimizer } from "../../src/worker/training/optimizers/registry";
const CASES: [string, number[], "int64"|"float32", string[]][] = [["mlp512.py",[32,784],"float32",["fc0","fc1"]],["mlp512.py",[128,784],"float32",["fc0","fc1"]],["mlp2048.py",[256,784],"float32",["fc0","fc1"]],["gpt.py",[8,256],"int64",["query","value"]],["encoder.py",[8,128],"int64",["query","value"]]];
function withLoss(graph: Graph): Graph {
  let loss: any;
  for (const node of graph.outputs.values()) { if (!isFloating(node.dtype)) continue; const v = cast(node,"float32"); const p = reduceAll("mean", mul(v,v)); loss = loss? add(loss,p):p; }
  return new Graph(graph.name, graph.inputs, new Map([["loss", loss]]));
}
it("mem", async function () {
  this.timeout(0);
  for (const [file, shape, dtype, targets] of CASES) for (const method of ["lora","full"]) {
    const model = await openChosenModel({ file: `/tmp/mem/${file}`, class: "Net" });
    const name = readFileSync(`/tmp/mem/${file}`,"utf8").includes("tokens):") ? "tokens" : "x";
    const { graph } = model.trace({ training: true, inputs: [{ name, shape, dtype }] });
    const adapter = planAdapter(model, { r: 8, target_modules: targets }, graph);
    const g = withLoss(method === "lora" ? injectLora(graph, adapter.layers) : graph);
    const trainable = method === "lora" ? trainedNames(adapter.layers) : model.stateDict.filter(e=>!e.buffer).map(e=>e.path);
    const weights = model.stateDict.reduce((s,e)=>s+sizeOf(e.shape as number[])*4,0);
    const nodes = g.parameters.filter(n=>trainable.includes(n.attrs.path));
    const n = nodes.reduce((s,x)=>s+byteLengthOf(x),0);
    const masked = simplify(maskDropout(g));
    const grads = differentiate(masked, masked.output("loss"), masked.parameters.filter(n=>trainable.includes(n.attrs.path)));
    const fb = new Graph("fb", masked.inputs, new Map([["loss", masked.output("loss")], ...[...grads].map(([k,v])=>[`g.${(k as any).attrs.path}`, v] as const)] as any));
    const step = simplify(trainingStep(maskDropout(g), trainable, defaultOptimizer()).graph);
    const sfb = simplify(fb);
    console.log(file, method, "weights", (weights/1e6).toFixed(2), "n", (n/1e6).toFixed(2), "fb peak", (peakActivationBytes(sfb)/1e6).toFixed(2), "raw fb", (peakActivationBytes(fb)/1e6).toFixed(2), "step peak", (peakActivationBytes(step)/1e6).toFixed(2), "nodes", step.nodes.length);
    if (file==="gpt.py" && method==="lora") console.log([...new Set(sfb.nodes.map(n=>n.op))].join(" "));
  }
});
