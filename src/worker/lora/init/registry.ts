import { inWords, UserError } from "../../formats/errors";
import { GAUSSIAN } from "./gaussian";
import { CORRECT, type Initialization, refused } from "./initialization";
import { MICA } from "./mica";
import { OLORA } from "./olora";
import { ORTHOGONAL } from "./orthogonal";
import { PISSA } from "./pissa";
import { RANDOM } from "./random";
import { CORDA, LOFTQ, PISSA_ITERATIVE } from "./refused";
import { EVA, LORA_GA, UNIFORM } from "./uniform";

/** Every initialization that PEFT knows. */
export const INITIALIZATIONS: readonly Initialization[] = [
  UNIFORM,
  RANDOM,
  GAUSSIAN,
  EVA,
  ORTHOGONAL,
  MICA,
  LORA_GA,
  PISSA,
  OLORA,
  PISSA_ITERATIVE,
  CORDA,
  LOFTQ,
];

const takenBy = (value: unknown) => INITIALIZATIONS.find((row) => row.takes(value));

/** How a fresh adapter begins. @throws UserError where none can be made. */
export function freshInitialization(value: unknown): Initialization & Required<Pick<Initialization, "draw">> {
  const row = takenBy(value);
  if (row && canDraw(row)) return row;
  throw new UserError(
    `a fresh adapter with init_lora_weights ${JSON.stringify(value)} is not supported; supported are ${inWords(INITIALIZATIONS.filter(canDraw).map(({ name }) => name))}`,
  );
}

function canDraw(row: Initialization): row is Initialization & Required<Pick<Initialization, "draw">> {
  return row.draw !== undefined;
}

/**
 * What PEFT does when it loads an adapter with the value.
 * @throws UserError where PEFT does not know the value; what it refuses besides is for the row to say.
 */
export function savedInitialization(value: unknown): Initialization {
  const row = takenBy(value);
  if (row) return row;
  if (typeof value !== "string") throw refused(value, "PEFT accepts true, false or a string", CORRECT);
  const lower = value.toLowerCase();
  const loaded = INITIALIZATIONS.filter((one) => !one.refused);
  const hint = loaded.some((one) => one.takes(lower)) ? ` in this spelling; it knows "${lower}"` : "";
  throw refused(
    value,
    `PEFT does not know it${hint}`,
    `${CORRECT}; known are ${inWords(loaded.map((one) => one.name))}`,
  );
}
