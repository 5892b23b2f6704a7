export declare const root: string;
export interface BuildOptions {
  readonly parts?: readonly string[];
  readonly watch?: boolean;
  readonly log?: (line: string) => void;
}
export declare function build(options?: BuildOptions): Promise<void>;
export declare function bundleForHost(entries: readonly string[], outdir: string): Promise<void>;
