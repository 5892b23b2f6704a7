/** Names of the engines on screen, by id: those of the setting's choices in package.json. */
export type EngineLabels = ReadonlyMap<string, string>;

interface Contributions {
  readonly contributes: {
    readonly configuration: {
      readonly properties: Readonly<
        Record<string, { readonly enum?: readonly string[]; readonly enumItemLabels?: readonly string[] }>
      >;
    };
  };
}

export function engineLabels(packageJson: Contributions): EngineLabels {
  const { enum: ids = [], enumItemLabels: labels = [] } =
    packageJson.contributes.configuration.properties["loraLens.engine"] ?? {};
  return new Map(ids.map((id, i) => [id, labels[i] ?? id]));
}

/** What jobs will run on, before one has. */
export function engineLabel(engine: string, labels: EngineLabels): string {
  return engine === "auto" ? "fastest engine" : (labels.get(engine) ?? engine);
}
