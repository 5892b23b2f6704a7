import type { BuildOptions as BundlerOptions } from "esbuild";

export declare const root: string;
export interface BuildOptions {
  readonly parts?: readonly string[];
  readonly watch?: boolean;
  readonly log?: (line: string) => void;
}
export declare function build(options?: BuildOptions): Promise<void>;
export declare function bundleForHost(entries: readonly string[], outdir: string): Promise<void>;
/** What there is to bundle, by name; `outfile` is in dist/. */
export declare const PARTS: Readonly<
  Record<string, { readonly entry: string; readonly outfile: string; readonly options: BundlerOptions }>
>;
