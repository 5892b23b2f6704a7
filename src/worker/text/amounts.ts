/** Amounts in sentences, as English writes them. */

/** `12,288` */
export const whole = (n: number): string => Math.round(n).toLocaleString("en-US");

/** `5.4` */
export const one = (n: number): string =>
  n.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Of 100: `0.53 %`, and `45.3 %` from ten on. */
export const percent = (n: number): string =>
  `${n.toLocaleString("en-US", { minimumFractionDigits: n < 10 ? 2 : 1, maximumFractionDigits: n < 10 ? 2 : 1 })} %`;

/** `1 layer`, `12 layers` */
export const counted = (n: number, noun: string): string => `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Bytes with a binary unit: `24.0 MiB`. */
export const size = (bytes: number): string =>
  bytes < 2 ** 20
    ? `${one(bytes / 2 ** 10)} KiB`
    : bytes < 2 ** 30
      ? `${one(bytes / 2 ** 20)} MiB`
      : `${one(bytes / 2 ** 30)} GiB`;
