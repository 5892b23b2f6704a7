import { Unknown } from "../../values";
import { inverseRoot, layer, notYet, product, type Size, symmetricUniform } from "./layer";

/** LSTM, GRU and RNN: counted and shown; not executable yet. */

const GATES = { LSTM: 4, GRU: 3, RNN: 1 } as const;
for (const [kind, gates] of Object.entries(GATES)) {
  const extra = kind === "RNN" ? "nonlinearity='tanh', " : "";
  const projection = kind === "LSTM" ? ", proj_size=0" : "";
  layer(
    kind,
    `input_size, hidden_size, num_layers=1, ${extra}bias=True, batch_first=False, dropout=0.0, bidirectional=False${projection}, device=None, dtype=None`,
    {
      build(c) {
        const [input, hidden] = [c.size("input_size"), c.size("hidden_size")];
        const layers = c.size("num_layers");
        if (layers instanceof Unknown) throw c.error("TypeError", `num_layers is unknown because ${layers.reason}`);
        const directions = c.flag("bidirectional") ? 2 : 1;
        const projected = kind === "LSTM" ? c.size("proj_size") : 0;
        const output: Size = projected === 0 ? hidden : projected;
        const bound = symmetricUniform(inverseRoot(hidden));
        const rows = product([gates, hidden]);
        for (let i = 0; i < layers; i++) {
          for (let d = 0; d < directions; d++) {
            const suffix = `l${i}${d === 1 ? "_reverse" : ""}`;
            c.parameter(`weight_ih_${suffix}`, [rows, i === 0 ? input : product([output, directions])], bound);
            c.parameter(`weight_hh_${suffix}`, [rows, output], bound);
            if (c.flag("bias")) {
              c.parameter(`bias_ih_${suffix}`, [rows], bound);
              c.parameter(`bias_hh_${suffix}`, [rows], bound);
            }
            if (projected !== 0) c.parameter(`weight_hr_${suffix}`, [projected, hidden], bound);
          }
        }
      },
      inputs: "input, hx=None",
      forward: notYet,
    },
  );
  layer(`${kind}Cell`, `input_size, hidden_size, bias=True, ${extra}device=None, dtype=None`, {
    build(c) {
      const [input, hidden] = [c.size("input_size"), c.size("hidden_size")];
      const bound = symmetricUniform(inverseRoot(hidden));
      const rows = product([gates, hidden]);
      c.parameter("weight_ih", [rows, input], bound);
      c.parameter("weight_hh", [rows, hidden], bound);
      if (c.flag("bias")) {
        c.parameter("bias_ih", [rows], bound);
        c.parameter("bias_hh", [rows], bound);
      }
    },
    inputs: "input, hx=None",
    forward: notYet,
  });
}
