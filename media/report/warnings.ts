import { element } from "./dom";

/** The report's warnings, shown before its numbers; false when there are none. */
export function warningList(warnings: readonly string[] | undefined): HTMLElement | false {
  if (!warnings || warnings.length === 0) return false;
  return element(
    "ul",
    { class: "warnings", role: "note", "aria-label": "Warnings" },
    ...warnings.map((text) => element("li", {}, text)),
  );
}
