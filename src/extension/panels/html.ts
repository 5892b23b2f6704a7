import { randomBytes } from "node:crypto";
import { Uri, type Webview } from "vscode";

/** What pages may load: the bundles of dist/media and nothing else. */
export function pageRoot(extensionUri: Uri): Uri {
  return Uri.joinPath(extensionUri, "dist", "media");
}

/** The page that renders PanelState. Data reaches it by message only. */
export function pageHtml(webview: Webview, extensionUri: Uri): string {
  const nonce = randomBytes(16).toString("base64");
  const resource = (name: string) => webview.asWebviewUri(Uri.joinPath(pageRoot(extensionUri), name)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data:`,
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="${resource("report.css")}">
  <title>LoRA Lens</title>
</head>
<body>
  <script nonce="${nonce}" src="${resource("report.js")}"></script>
</body>
</html>
`;
}
