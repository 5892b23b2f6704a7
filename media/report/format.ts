/** Numbers as people read them, the same on every page: English (US) grouping, binary byte units, units always said. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const threeDigits = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

/** A count of scalars, steps or samples: `12,288`. */
export function count(value: number): string {
  return whole.format(value);
}

/** A count for a chart's axis: `12.3K`, `1.5M`, `7B`. */
export function shortCount(value: number): string {
  for (const [size, unit] of [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ] as const) {
    if (Math.abs(value) >= size) return `${threeDigits.format(value / size)}${unit}`;
  }
  return threeDigits.format(value);
}

/** Bytes with a binary unit: `512 B`, `1.5 KiB`, `24 MiB`. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${threeDigits.format(scaled)} ${units[unit]}`;
}

/** A percentage given as 0 to 100: `0.53 %`. */
export function percent(value: number): string {
  return `${threeDigits.format(value)} %`;
}

/** An accuracy or share given as 0 to 1: `97.4 %`. */
export function share(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

/** How many times fewer: `48.1×`, and `1,024×` from a thousand on. */
export function factor(value: number): string {
  return `${value >= 1000 ? whole.format(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2)}×`;
}

/** A length of time in seconds: `850 ms`, `12.3 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const total = Math.round(seconds);
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  const minutes = Math.round(total / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A loss or another plain number with four significant digits: `0.3142`, `1.2e-5`. */
export function decimal(value: number): string {
  if (!Number.isFinite(value)) return "not finite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return scientific(value);
  return String(Number(value.toPrecision(4)));
}

/** A deviation or its bound: whole numbers as they are, others with two significant digits: `3.1e-7`. */
export function scientific(value: number): string {
  if (!Number.isFinite(value)) return "not finite";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return count(value);
  const size = Math.abs(value);
  if (size >= 0.01 && size < 1e4) return String(Number(value.toPrecision(3)));
  return value.toExponential(1);
}

/** A shape: `[8, 784]`. */
export function shape(dims: readonly number[]): string {
  return `[${dims.join(", ")}]`;
}

/** The last part of a path, for headings; the whole one belongs in a title. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}
