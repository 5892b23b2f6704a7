import { type Initialization, refused } from "./initialization";

/** MiCA (arXiv 2604.01694) begins with A at zero and leaves B as it begins. PEFT takes the word in any case of letters. */
export const MICA: Initialization = {
  name: '"mica"',
  takes: (value) => typeof value === "string" && value.toLowerCase() === "mica",
  begins: { a: "zeros", b: "smallest singular vectors of W₀" },
  identity: true,
  decomposes: true,
  refuse: (value, { rank, layer: { path, inFeatures, outFeatures } }) => {
    const most = Math.min(inFeatures, outFeatures);
    if (rank <= most) return;
    throw refused(
      value,
      `PEFT then accepts a rank of at most ${most} for ${path}, not ${rank}`,
      "choose an adapter with a lower rank",
    );
  },
  beganAtZero: "A",
};
