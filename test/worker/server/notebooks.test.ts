import { strict as assert } from "node:assert";
import { PassThrough } from "node:stream";
import {
  createConnection,
  createProtocolConnection,
  DidChangeNotebookDocumentNotification,
  DidCloseNotebookDocumentNotification,
  DidOpenNotebookDocumentNotification,
  NotebookCellKind,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
  TextDocumentSyncKind,
} from "vscode-languageserver/node";
import { openModelFile } from "../../../src/worker/readers/open";
import { summarize } from "../../../src/worker/readers/summary";
import { NOTEBOOK_SYNC, OpenNotebooks } from "../../../src/worker/server/notebooks";
import type { OpenText } from "../../../src/worker/server/reading/readings";

const NOTEBOOK = "file:///notes/lora.ipynb";
const cellUri = (name: string) => `vscode-notebook-cell:/notes/lora.ipynb#${name}`;
const net = (hidden: number) => `import torch.nn as nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, ${hidden})
`;

describe("open notebooks", () => {
  let client: ProtocolConnection;
  let notebooks: OpenNotebooks;
  const seen: { texts: OpenText[]; closed: string[]; gone: string[] } = { texts: [], closed: [], gone: [] };
  let listeners: (() => void)[] = [];

  beforeEach(async () => {
    const [up, down] = [new PassThrough(), new PassThrough()];
    const connection = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
    const told =
      <T>(list: T[]) =>
      (value: T) => {
        list.push(value);
        for (const listener of listeners.splice(0)) listener();
      };
    Object.assign(seen, { texts: [], closed: [], gone: [] });
    notebooks = new OpenNotebooks({
      onChange: told(seen.texts),
      onClose: told(seen.closed),
      onCellGone: told(seen.gone),
    });
    connection.onInitialize(() => ({
      capabilities: { textDocumentSync: TextDocumentSyncKind.Incremental, notebookDocumentSync: NOTEBOOK_SYNC },
    }));
    notebooks.listen(connection);
    connection.listen();
    client = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
    client.listen();
    await client.sendRequest("initialize", { processId: null, rootUri: null, capabilities: {} });
    await client.sendNotification(DidOpenNotebookDocumentNotification.type, {
      notebookDocument: {
        uri: NOTEBOOK,
        notebookType: "jupyter-notebook",
        version: 1,
        cells: [
          { kind: NotebookCellKind.Markup, document: cellUri("a") },
          { kind: NotebookCellKind.Code, document: cellUri("b") },
        ],
      },
      cellTextDocuments: [
        { uri: cellUri("a"), languageId: "markdown", version: 1, text: "# torch" },
        { uri: cellUri("b"), languageId: "python", version: 1, text: net(8) },
      ],
    });
    await until(() => seen.texts.length === 1);
  });
  afterEach(() => {
    client.dispose();
    listeners = [];
  });

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => listeners.push(resolve));
  }

  async function layer() {
    const { models } = summarize(await openModelFile("/notes/lora.ipynb", seen.texts.at(-1)!.getText()));
    const [first] = models[0]!.layers;
    return [first!.outFeatures, first!.place.cell, first!.place.line];
  }

  it("are read as one, and cells are found in it by their number", async () => {
    assert.deepEqual(await layer(), [8, 2, 5]);
    assert.deepEqual(notebooks.locate(cellUri("b")), { uri: NOTEBOOK, cell: 2 });
    assert.deepEqual(notebooks.locate("file:///a.py"), { uri: "file:///a.py" });
    assert.deepEqual(notebooks.cells(NOTEBOOK), [cellUri("a"), cellUri("b")]);
  });

  it("an unsaved change of a cell counts", async () => {
    await client.sendNotification(DidChangeNotebookDocumentNotification.type, {
      notebookDocument: { uri: NOTEBOOK, version: 2 },
      change: {
        cells: {
          textContent: [{ document: { uri: cellUri("b"), version: 2 }, changes: [{ text: net(32) }] }],
        },
      },
    });
    await until(() => seen.texts.length === 2);
    assert.deepEqual(await layer(), [32, 2, 5]);
    assert.equal(seen.texts.at(-1)!.version, 2);
  });

  it("a deleted cell moves the others up and is reported", async () => {
    await client.sendNotification(DidChangeNotebookDocumentNotification.type, {
      notebookDocument: { uri: NOTEBOOK, version: 2 },
      change: { cells: { structure: { array: { start: 0, deleteCount: 1 }, didClose: [{ uri: cellUri("a") }] } } },
    });
    await until(() => seen.texts.length === 2);
    assert.deepEqual(await layer(), [8, 1, 5]);
    assert.deepEqual(seen.gone, [cellUri("a")]);
    assert.deepEqual(notebooks.locate(cellUri("a")), { uri: cellUri("a") });
  });

  it("closing reports the notebook and each of its cells", async () => {
    await client.sendNotification(DidCloseNotebookDocumentNotification.type, {
      notebookDocument: { uri: NOTEBOOK },
      cellTextDocuments: [{ uri: cellUri("a") }, { uri: cellUri("b") }],
    });
    await until(() => seen.gone.length === 2);
    assert.deepEqual(seen.closed, [NOTEBOOK]);
    assert.equal(notebooks.cells(NOTEBOOK), undefined);
    assert.deepEqual(notebooks.all(), []);
  });
});
