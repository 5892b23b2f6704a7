import type { Session } from "../session";
import { adapter } from "./adapter";
import { configurations } from "./configurations";
import { data } from "./data";
import { documents } from "./documents";
import { hints } from "./hints";
import { hovers } from "./hovers";
import { html } from "./html";
import { inject } from "./inject";
import { jobs } from "./jobs";
import { lenses } from "./lenses";
import { lifecycle } from "./lifecycle";
import { settings } from "./settings";
import { summary } from "./summary";
import { targets } from "./targets";

/** Each answers a request or listens to a notification. */
export const HANDLERS: readonly ((session: Session) => void)[] = [
  lifecycle,
  settings,
  documents,
  lenses,
  hovers,
  hints,
  summary,
  targets,
  configurations,
  inject,
  adapter,
  data,
  html,
  jobs,
];
