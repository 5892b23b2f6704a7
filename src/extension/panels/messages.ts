import { JOBS } from "../../protocol/jobRegistry";
import type { FromPage, PanelState } from "../../protocol/panel";
import type { LayerSize, SizesQuestion } from "../../protocol/reports/sizes";

/** What a page sent, if it is on the list of what a page may ask for. */
export function fromPage(message: unknown): FromPage | undefined {
  if (!isRecord(message)) return undefined;
  switch (message.type) {
    case "ready":
    case "stop":
    case "openOutput":
      return { type: message.type };
    case "reveal":
      return typeof message.file === "string" &&
        isOrdinal(message.line) &&
        (message.cell === undefined || isOrdinal(message.cell))
        ? {
            type: "reveal",
            file: message.file,
            line: message.line,
            ...(message.cell === undefined ? {} : { cell: message.cell }),
          }
        : undefined;
    case "save":
      return message.format === "json" || message.format === "html" || message.format === "csv"
        ? { type: "save", format: message.format }
        : undefined;
    case "compareSizes": {
      const question = sizesQuestion(message.question);
      return question && { type: "compareSizes", question };
    }
    default:
      return undefined;
  }
}

/** What a page kept over a reload: `{ state, ... }`. A job that was under way is gone with the window. */
export function restoredState(kept: unknown): PanelState {
  const state = isRecord(kept) && isRecord(kept.state) ? kept.state : {};
  const title = typeof state.title === "string" ? state.title : "LoRA Lens";
  if (state.type === "report" && isRecord(state.report) && Object.hasOwn(JOBS, String(state.report.kind))) {
    // The page keeps what we sent it, so the rest of the report is of its kind.
    return state as unknown as PanelState;
  }
  if (state.type === "failed" && typeof state.message === "string") {
    return { type: "failed", title, message: state.message };
  }
  return {
    type: "failed",
    title,
    message: "The window was reloaded before there was a result. Run the command again.",
  };
}

/** Only what a question may hold, and each of it of its type: the worker checks the numbers themselves. */
function sizesQuestion(asked: unknown): SizesQuestion | undefined {
  if (!isRecord(asked)) return undefined;
  const { sizes, ranks, known, openModel } = asked;
  if (!Array.isArray(sizes) || !sizes.every(isSize)) return undefined;
  if (!Array.isArray(ranks) || !ranks.every((rank) => typeof rank === "number")) return undefined;
  if (known !== undefined && !(Array.isArray(known) && known.every((id) => typeof id === "string"))) return undefined;
  return {
    sizes: sizes.map(({ name, inFeatures, outFeatures, bias, layers }) => ({
      inFeatures,
      outFeatures,
      ...(name !== undefined && { name }),
      ...(bias !== undefined && { bias }),
      ...(layers !== undefined && { layers }),
    })),
    ranks,
    ...(known !== undefined && { known }),
    ...(openModel === true && { openModel }),
  };
}

function isSize(value: unknown): value is LayerSize {
  if (!isRecord(value)) return false;
  const { name, inFeatures, outFeatures, bias, layers } = value;
  return (
    typeof inFeatures === "number" &&
    typeof outFeatures === "number" &&
    (name === undefined || typeof name === "string") &&
    (bias === undefined || typeof bias === "boolean") &&
    (layers === undefined || typeof layers === "number")
  );
}

function isOrdinal(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
