import { readFileSync } from "node:fs";
import { openModelFile } from "./src/worker/readers/open";
import { ask } from "./test/fuzz/readings";
void (async () => {
  const text = readFileSync(process.argv[2]!, "utf8");
  const t0 = performance.now();
  const o = await openModelFile("model.py", text, { steps: Number(process.argv[3] ?? 20000), depth: 60 });
  console.log("open", (performance.now() - t0).toFixed(0), o.problems.map((p) => `${p.place.line}: ${p.message}`));
  const t1 = performance.now();
  if (process.argv[4] === "shapes") { for (const m of o.models) { const s = m.shapes?.(); console.log("shapes", (performance.now() - t1).toFixed(0), s?.problem?.message, s?.hints.length); } }
  else if (process.argv[4] === "trace") { for (const m of o.models) { try { m.trace(); } catch (e: any) { console.log("trace", (performance.now() - t1).toFixed(0), e.message.slice(0, 400)); } } }
  else { ask(o, text); console.log("ask", (performance.now() - t1).toFixed(0)); }
})();
