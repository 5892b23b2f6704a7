import { ADAPTER_CONFIG_FILE } from "../../../protocol/lora";
import { UserError } from "../../formats/errors";
import { type AdapterFile, adaptedLayers } from "../../lora/adapter/adapterFiles";
import { loraConfig } from "../../lora/config/config";
import { changesBase } from "../../lora/init/changedWeight";
import { savedInitialization } from "../../lora/init/registry";
import { resolver } from "../../lora/variants/resolve";
import type { LayerAdapter } from "../../lora/variants/variant";

const A = ".lora_A.weight";
const B = ".lora_B.weight";

/**
 * What each layer of a saved adapter gets, told from the sizes of its tensors: no model is needed.
 * @throws UserError where the tensors are not those of linear layers, or do not go with the configuration.
 */
export function savedLayers(adapter: AdapterFile): LayerAdapter[] {
  const { config, tensors, file } = adapter;
  const wrong = (why: string) => new UserError(`${file}: ${why}`, { file });
  const paths = adaptedLayers(tensors);
  if (paths.length === 0) throw wrong("it holds no tensors of an adapter, so there is no delta weight");
  const of = resolver(loraConfig({ ...config, target_modules: config.target_modules ?? [] }));
  return paths.map((path) => {
    const [a, b] = [tensors.get(path + A)?.shape, tensors.get(path + B)?.shape];
    if (!a || !b || a.length !== 2 || b.length !== 2) {
      const names = [...tensors.keys()].filter((name) => name.startsWith(`${path}.lora_`));
      throw wrong(
        `${path} has ${names.join(" and ")}, which are not the two matrices of a linear layer; delta weights are computed for linear layers alone`,
      );
    }
    const [rows, inFeatures] = a as [number, number];
    const [outFeatures, columns] = b as [number, number];
    const layer = { path, kind: "Linear", inFeatures, outFeatures };
    const resolved = of(layer);
    // An initialization that decomposes the weight gives no more rows than the weight has.
    const fewest = Math.min(resolved.rank, inFeatures, outFeatures);
    if (rows !== columns || rows > resolved.rank || rows < fewest) {
      throw wrong(
        `${path} has A [${a.join(", ")}] and B [${b.join(", ")}], and its rank is ${resolved.rank} by ${ADAPTER_CONFIG_FILE}; take the configuration that was saved with these weights`,
      );
    }
    const saved = { ...resolved, rank: rows };
    for (const { name, shape } of saved.variant.tensors(saved)) {
      const found = tensors.get(name)?.shape;
      if (found?.join() === shape.join()) continue;
      throw wrong(`${name} is ${found ? `[${found.join(", ")}]` : "missing"} where [${shape.join(", ")}] is needed`);
    }
    return saved;
  });
}

/** Such an adapter goes on what its initialization left of the base. */
export function initWarning({ config }: Pick<AdapterFile, "config">): string[] {
  const init = savedInitialization(config.init_lora_weights);
  if (!changesBase(init)) return [];
  return [
    `The adapter began with init_lora_weights ${init.name}, which took a part out of the base's weights: the delta weights are relative to what is left of them, as PEFT's are.`,
  ];
}
