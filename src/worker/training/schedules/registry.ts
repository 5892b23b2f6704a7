import { constant } from "./constant";
import type { Schedule } from "./schedule";

/** The schedules to choose from; the first is the default. */
export const SCHEDULES: readonly [Schedule, ...Schedule[]] = [constant];
