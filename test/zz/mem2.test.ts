import { analyze } from "../../src/worker/jobs/analyze/analyze";
const CASES: [string, number, number|undefined, string[]][] = [["mlp512.py",32,undefined,["fc0","fc1"]],["mlp512.py",128,undefined,["fc0","fc1"]],["mlp2048.py",256,undefined,["fc0","fc1"]],["gpt.py",8,256,["query","value"]],["encoder.py",8,128,["query","value"]]];
it("mem2", async function () {
  this.timeout(0); const signal = new AbortController().signal;
  for (const [file, batch, sequence, targets] of CASES) {
    const at = performance.now();
    const r = await analyze({ kind: "analyze", model: { file: `/tmp/mem/${file}`, class: "Net", ...(sequence ? {} : {}) }, adapter: { r: 8, target_modules: targets }, batch, ...(sequence ? { sequence } : {}) }, { onProgress: () => {}, signal, stop: signal });
    console.log(file, r.memoryUnavailable, performance.now() - at);
    for (const m of r.memory?.methods ?? []) console.log("  ", m.method, m.rank, Object.entries(m).filter(([k, v]) => typeof v === "number").map(([k, v]) => `${k} ${((v as number)/1e6).toFixed(2)}`).join(" "));
  }
});
