/** State-dict paths of an adapter's two matrices: A is [r, in], B is [out, r]. */
export const loraA = (path: string): string => `${path}.lora_A.weight`;
export const loraB = (path: string): string => `${path}.lora_B.weight`;
