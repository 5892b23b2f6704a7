/** What the extension host writes, one JSON object a line, for the process that started it to read. */
export interface InsideResult {
  readonly title: string;
  readonly state: "passed" | "failed" | "pending";
  readonly milliseconds?: number;
  /** Stack or message of a failure. */
  readonly error?: string;
}

/** Name of the environment variable with the file the results go to. */
export const RESULTS_VARIABLE = "LORA_LENS_TEST_RESULTS";
