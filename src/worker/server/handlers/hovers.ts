import type { CancellationToken } from "vscode-languageserver/node";
import { yieldToEvents } from "../../formats/files";
import { hover, layersAt } from "../../language/hover";
import type { LayersAtPlace } from "../../language/layers";
import { AdapterNormsCache } from "../adapterNorms";
import { Cancelled, toResponseError } from "../failure";
import { fileOf, type Session } from "../session";

export function hovers(session: Session): void {
  const cache = new AdapterNormsCache();

  async function normsOf(uri: string, { model, layers }: LayersAtPlace, token: CancellationToken) {
    if (!uri.startsWith("file:")) return undefined;
    const file = fileOf(uri);
    const place = session.settings.adapters[`${file}#${model.class}`] ?? {};
    const pause = async () => {
      await yieldToEvents();
      if (token.isCancellationRequested) throw new Cancelled();
    };
    try {
      return await cache.of(
        { file, class: model.class },
        place,
        layers.map(({ path }) => path),
        pause,
      );
    } catch (error) {
      throw toResponseError(error);
    }
  }

  session.connection.onHover(async ({ textDocument, position }, token) => {
    const { uri, cell } = session.notebooks.locate(textDocument.uri);
    const reading = await session.newest(uri, token);
    if (!reading) return null;
    const used = session.withUses(uri, reading);
    const at = layersAt(used, position, cell);
    const norms = at && (await normsOf(uri, at, token));
    return hover(used, position, session.settings, cell, norms);
  });
}
