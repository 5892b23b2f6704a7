import type { SaveFormat } from "../../src/protocol/panel";
import { button } from "./controls";
import { element } from "./dom";
import { fileName } from "./format";
import type { Host } from "./host";

/** A page's title with the model it is about, if any, and, in the editor, the buttons that save the report. */
export function header(
  title: string,
  subject: { readonly model: string; readonly file?: string } | undefined,
  host: Host,
  formats: readonly SaveFormat[] = ["json", "html"],
): HTMLElement {
  return element(
    "header",
    {},
    element(
      "div",
      {},
      element("h1", {}, title),
      subject !== undefined &&
        element(
          "p",
          { class: "subject" },
          element("code", {}, subject.model),
          subject.file !== undefined && element("span", { title: subject.file }, ` in ${fileName(subject.file)}`),
        ),
    ),
    host.editor &&
      element(
        "div",
        { class: "actions" },
        ...formats.map((format) =>
          button(`Save as ${format.toUpperCase()}`, () => host.post({ type: "save", format }), "secondary"),
        ),
      ),
  );
}
