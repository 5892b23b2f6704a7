import { isAbsolute } from "node:path";
import type { EnvironmentCandidate, FolderEnvironments } from "../../protocol/environments";
import type { ConfigurationChoice } from "../../protocol/jobs";
import type { WorkerSettings } from "../../protocol/messages";
import { DEFAULT_ALPHA, DEFAULT_RANK } from "../lora/config/config";

export const DEFAULT_SETTINGS: WorkerSettings = {
  rank: DEFAULT_RANK,
  alpha: DEFAULT_ALPHA,
  codeLens: true,
  diagnostics: true,
  inlayHints: true,
  environments: [],
  configurations: {},
  inputShapes: {},
  adapters: {},
};

/** Each setting's value; undefined if it has the wrong type. */
const VALID: { readonly [K in keyof WorkerSettings]: (value: unknown) => WorkerSettings[K] | undefined } = {
  rank: (value) => (Number.isInteger(value) && (value as number) > 0 ? (value as number) : undefined),
  alpha: (value) => (typeof value === "number" ? value : undefined),
  codeLens: flag,
  diagnostics: flag,
  inlayHints: flag,
  environments: (value) => (Array.isArray(value) && value.every(isFolderEnvironments) ? value : undefined),
  configurations: (value) =>
    (isRecord(value) && Object.values(value).every(isConfiguration) ? value : undefined) as
      | WorkerSettings["configurations"]
      | undefined,
  inputShapes: (value) =>
    (isRecord(value) && Object.values(value).every(isShapes) ? value : undefined) as
      | WorkerSettings["inputShapes"]
      | undefined,
  adapters: (value) =>
    (isRecord(value) && Object.values(value).every(isAdapterPlace) ? value : undefined) as
      | WorkerSettings["adapters"]
      | undefined,
};

/** The settings with values of the right type; the others keep their value. */
export function validSettings(given: unknown): Partial<WorkerSettings> {
  if (!isRecord(given)) return {};
  const entries = Object.entries(VALID).map(([name, valid]) => [name, valid(given[name])] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function flag(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isShapes(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((shape) => typeof shape === "string");
}

function isFolderEnvironments(value: unknown): value is FolderEnvironments {
  return (
    isRecord(value) &&
    typeof value.folder === "string" &&
    Array.isArray(value.candidates) &&
    value.candidates.every(isCandidate)
  );
}

function isCandidate(value: unknown): value is EnvironmentCandidate {
  return isRecord(value) && isPath(value.path) && typeof value.from === "string" && typeof value.named === "boolean";
}

function isConfiguration(value: unknown): value is ConfigurationChoice {
  if (!isRecord(value)) return false;
  if (value.source === "json") return isPath(value.file);
  if (value.source === "defaults") return true;
  return value.source === "instance" && (value.name === undefined || typeof value.name === "string");
}

function isAdapterPlace(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return [value.folder, value.weights].every((path) => path === undefined || isPath(path));
}

function isPath(value: unknown): value is string {
  return typeof value === "string" && isAbsolute(value);
}
