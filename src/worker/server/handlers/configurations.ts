import { ConfigurationsRequest } from "../../../protocol/messages";
import type { Session } from "../session";
import { fileOf } from "../session";

export function configurations(session: Session): void {
  session.answer(ConfigurationsRequest, async (params) => {
    const { uri } = session.notebooks.locate(params.uri);
    return session.run({
      type: "configurations",
      file: fileOf(uri),
      text: await session.textOf(uri),
      class: params.class,
    });
  });
}
