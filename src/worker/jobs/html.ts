import { JOBS, type Report } from "../../protocol/jobRegistry";

/** The built page of the panels: contents of dist/media/report.js and dist/media/report.css. */
export interface PageAssets {
  readonly script: string;
  readonly style: string;
}

/** The report as one HTML page that needs no other file, no network and no editor. */
export function standaloneHtml(report: Report, assets: PageAssets): string {
  const model =
    "injection" in report && report.injection ? report.injection.model : "model" in report ? report.model : "";
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">`,
    `<title>${escapeText(`${JOBS[report.kind].title}${model === "" ? "" : ` of ${model}`} · LoRA Lens`)}</title>`,
    `<style>${escapeStyle(assets.style)}</style>`,
    "</head>",
    "<body>",
    `<script type="application/json" id="report">${escapeJson(JSON.stringify(report))}</script>`,
    `<script>${escapeScript(assets.script)}</script>`,
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

/** No "<" can end the script element or open a comment in it; in JSON it means the same as a \u escape. */
function escapeJson(json: string): string {
  return json.replaceAll("<", "\\u003c");
}

/** In a bundle these sequences occur in strings, templates and regular expressions only, where the backslash is harmless. */
function escapeScript(script: string): string {
  return script.replace(/<(?=\/script|!--)/gi, "\\x3c");
}

/** A backslash before the slash keeps the style sheet's meaning in its strings, and the element open. */
function escapeStyle(style: string): string {
  return style.replace(/<\/(?=style)/gi, "<\\/");
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
