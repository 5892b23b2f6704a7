import { SettingsNotification } from "../../../protocol/messages";
import type { Session } from "../session";
import { validSettings } from "../settings";

export function settings(session: Session): void {
  const { connection, choices, watching, readings } = session;
  connection.onNotification(SettingsNotification.method, async (changed: unknown) => {
    session.settings = { ...session.settings, ...validSettings(changed) };
    session.readAgain(choices.change(session.settings));
    watching.update();
    session.refresh();
    for (const document of session.open()) {
      const reading = await readings.newest(document.uri);
      if (reading) session.publish(document, reading);
    }
  });
}
