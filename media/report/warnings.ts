import { element } from "./dom";

/** What the report's reader should know before its numbers; nothing when there is nothing. */
export function warningList(warnings: readonly string[] | undefined): HTMLElement | false {
  if (!warnings || warnings.length === 0) return false;
  return element(
    "ul",
    { class: "warnings", role: "note", "aria-label": "Warnings" },
    ...warnings.map((text) => element("li", {}, text)),
  );
}
