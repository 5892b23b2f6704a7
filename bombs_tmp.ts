import { fork } from "node:child_process";
import { EXPRESSIONS, STATEMENTS, WRAPPED_EXPRESSIONS } from "./test/fuzz/hostile";
const HEAD = "import collections, contextlib, copy, dataclasses, enum, functools, itertools, math, os, re\nimport einops\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom einops import rearrange\n";
const inForward = (b: string) => `${HEAD}class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 3)\n    def forward(self, x):\n        ${b.replaceAll("\n", "\n        ")}\n        return self.fc(x)\nNet()(torch.ones(2, 3))\n`;
const inInit = (b: string) => `${HEAD}class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 3)\n        x = torch.ones(2, 3)\n        ${b.replaceAll("\n", "\n        ")}\n    def forward(self, x):\n        return self.fc(x)\nNet()(torch.ones(2, 3))\n`;
const all = [...STATEMENTS, ...EXPRESSIONS.map((e) => `z = ${e}\nx = x + z`)];
const cases = all.flatMap((b) => [inForward(b), inInit(b)]);
if (process.argv[2] === "child") {
  void (async () => {
    const { openModelFile } = await import("./src/worker/readers/open");
    const { ask } = await import("./test/fuzz/readings");
    const steps = Number(process.argv[4]);
    for (let i = Number(process.argv[3]); i < cases.length; i++) {
      const start = performance.now();
      process.send!({ start: i });
      await new Promise((r) => setImmediate(r));
      let what = "";
      try { const o = await openModelFile("model.py", cases[i]!, { steps, depth: steps > 1e5 ? 200 : 60 }); what = o.problems[0]?.message ?? "-"; ask(o, cases[i]!); } catch (e: any) { what = `FINDING ${String(e.message).split("\n").find((l: string) => l.startsWith("+ '")) ?? e.stack}`; }
      process.send!({ done: i, ms: performance.now() - start, what, rss: process.memoryUsage.rss() / 2 ** 20 });
    }
    process.send!({ end: true }, () => process.exit(0));
  })();
} else {
  const steps = process.argv[2] ?? "20000";
  const go = (from: number): void => {
    const child = fork(__filename, ["child", String(from), steps], { execArgv: ["--import", "tsx", "--max-old-space-size=1500"], stdio: ["ignore", "ignore", "ignore", "ipc"] });
    let at = from, end = false, why = ""; let timer = setTimeout(() => {}, 0); let last = 0;
    const t = () => { clearTimeout(timer); timer = setTimeout(() => { why = "HANG"; child.kill("SIGKILL"); }, 12000); };
    t();
    child.on("message", (m: any) => { t(); if (m.start !== undefined) at = m.start; if (m.end) end = true; if (m.done !== undefined && (m.ms > 1500 || m.rss - last > 150 || /FINDING/.test(m.what))) console.log(`${m.ms.toFixed(0)} ms, ${m.rss.toFixed(0)} MB | ${cases[m.done]!.includes("return self.fc(x)\nNet") && m.done % 2 === 0 ? "forward" : "init"} | ${all[m.done >> 1]!.slice(0, 200).replaceAll("\n", "; ")} | ${m.what.slice(0, 300)}`); if (m.rss) last = m.rss; });
    child.on("exit", (c, s) => { clearTimeout(timer); if (!end) { console.log(`${why || "DIED"} ${c} ${s} | ${at % 2 === 0 ? "forward" : "init"} | ${all[at >> 1]!.slice(0, 300).replaceAll("\n", "; ")}`); if (at + 1 < cases.length) go(at + 1); } });
  };
  go(Number(process.argv[3] ?? 0));
}
