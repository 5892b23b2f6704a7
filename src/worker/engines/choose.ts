import type { EngineChoice } from "../../protocol/jobs";
import type { EngineSummary } from "../../protocol/reports";
import { UserError } from "../formats/errors";
import type { Engine } from "./engine";
import { ENGINES } from "./registry";

export interface ChosenEngine {
  readonly engine: Engine;
  /** What it runs on, for people. */
  readonly device: string;
}

let all: readonly Engine[] | undefined;

/** Every engine, one object each for the life of the process, so that each is probed once. Loads none. */
export function engines(): readonly Engine[] {
  all ??= ENGINES.map((row) => row.create());
  return all;
}

/**
 * The engine asked for; `auto` takes the fastest real device, in the order of the registry's turns. Throws a UserError
 * with the reason when the one asked for is not available, or none is.
 */
export async function chooseEngine(choice: EngineChoice): Promise<ChosenEngine> {
  if (choice === "auto") return automatic();
  const engine = engines().find(({ id }) => id === choice);
  if (!engine) {
    const known = engines().map(({ id }) => id);
    throw new UserError(`there is no engine "${choice}"; choose auto, ${known.join(", ")}`);
  }
  const state = await engine.available();
  if (!state.available) throw new UserError(`the engine ${choice} is not available: ${state.reason}`);
  return { engine, device: state.device };
}

async function automatic(): Promise<ChosenEngine> {
  const reasons: string[] = [];
  const known = engines();
  const turns = ENGINES.flatMap(({ automatic }, i) => automatic.map((turn) => ({ engine: known[i]!, ...turn })));
  for (const { engine, takes } of turns.sort((a, b) => a.turn - b.turn)) {
    const state = await engine.available();
    if (!state.available) reasons.push(`${engine.id}: ${state.reason}`);
    else if (takes(state)) return { engine, device: state.device };
  }
  throw new UserError(`no engine is available. ${[...new Set(reasons)].join("; ")}`);
}

/** Each engine with its device or the reason why not, for `lora-lens engines` and the status item. */
export async function listEngines(): Promise<EngineSummary[]> {
  const states = await Promise.all(engines().map(async (engine) => ({ engine, state: await engine.available() })));
  const chosen = states.some(({ state }) => state.available) ? (await automatic()).engine : undefined;
  return states.map(({ engine, state }) => ({
    id: engine.id,
    label: engine.label,
    ...(state.available
      ? { available: true, device: state.device, ...(state.software ? { software: true } : {}) }
      : { available: false, reason: state.reason }),
    chosen: engine === chosen,
  }));
}
