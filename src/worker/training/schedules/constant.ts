import type { Schedule } from "./schedule";

export const constant: Schedule = { id: "constant", label: "constant", factor: () => 1 };
