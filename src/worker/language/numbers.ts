/** Numbers as lenses and hovers write them. */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const ONE_DECIMAL = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const FOUR_DIGITS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });
const TWO_DIGITS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2 });

/** 12,288 */
export function count(n: number): string {
  return WHOLE.format(n);
}

/** 48.1× */
export function times(x: number): string {
  return `${ONE_DECIMAL.format(x)}×`;
}

/** How many times fewer scalars LoRA trains, or more, when the rank is past break-even. */
export function fewer(reduction: number): string {
  if (Math.abs(reduction - 1) < 0.05) return "about as many as the layer";
  return reduction >= 1 ? `${times(reduction)} fewer` : `${times(1 / reduction)} more`;
}

/** 2, 0.125, 1.333 */
export function scale(x: number): string {
  return FOUR_DIGITS.format(x);
}

/** 12.3 %, 1.2 %, 0.062 %: small shares keep two digits. */
export function percent(x: number): string {
  return `${(x >= 1 ? ONE_DECIMAL : TWO_DIGITS).format(x)} %`;
}

/** 590,592 up to a million; then 38.6 M, 6.7 B. */
export function parameters(n: number): string {
  if (n < 1e6) return count(n);
  return n < 1e9 ? `${ONE_DECIMAL.format(n / 1e6)} M` : `${ONE_DECIMAL.format(n / 1e9)} B`;
}

/** 512 B, 48.0 KiB, 1.5 MiB, 2.3 GiB */
export function bytes(n: number): string {
  if (n < 1024) return `${count(n)} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = n / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${ONE_DECIMAL.format(value)} ${units[unit]}`;
}
