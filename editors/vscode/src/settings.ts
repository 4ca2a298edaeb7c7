/** From the editor's settings to the server's options. No VS Code in here, so that it is tested without one. */

export type Options = { [key: string]: Options | unknown };

/** Where a setting has values, as `WorkspaceConfiguration.inspect` tells. */
export interface Inspected {
  globalValue?: unknown;
  workspaceValue?: unknown;
  workspaceFolderValue?: unknown;
}

/** Settings of the extension itself, which are not the server's business. */
const OWN = new Set(['path']);

/**
 * The server's options as a tree, from `ghostline.a.b` to `{a: {b: …}}`: only what the user has set. Defaults
 * stay with the server, so that its own configuration file is not overruled by values nobody chose.
 */
export function serverOptions(
  names: Iterable<string>,
  inspect: (name: string) => Inspected | undefined,
): Options {
  const options: Options = {};
  for (const full of names) {
    const name = full.replace(/^ghostline\./, '');
    if (OWN.has(name)) {
      continue;
    }
    const set = inspect(name);
    const value = set?.workspaceFolderValue ?? set?.workspaceValue ?? set?.globalValue;
    if (value !== undefined && value !== null) {
      put(options, name.split('.'), value);
    }
  }
  return options;
}

/**
 * Whether `after` sets all that `before` set. The server keeps what it was started with beneath what changes
 * later, so a setting taken back needs a new start.
 */
export function stillSets(after: Options, before: Options): boolean {
  return Object.entries(before).every(([key, value]) => {
    const now = after[key];
    return isTree(value) ? isTree(now) && stillSets(now, value) : now !== undefined;
  });
}

function isTree(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function put(options: Options, path: string[], value: unknown): void {
  const [head, ...rest] = path;
  if (head === undefined) {
    return;
  }
  if (rest.length === 0) {
    options[head] = value;
    return;
  }
  const inner = (options[head] ??= {}) as Options;
  put(inner, rest, value);
}
