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

/**
 * What a server needs from its first moment, lest it load one model and then another, or ask a server on the network
 * before it hears that it must not. The rest comes right after:
 * what is taken back there leaves nothing behind, while these stay until the next start.
 */
export function startOptions(options: Options): Options {
  const sections = ['model', 'engine', 'log', 'remote', 'network'];
  return Object.fromEntries(Object.entries(options).filter(([section]) => sections.includes(section)));
}

/** The options as the environment of `ghostline doctor`, which knows nothing of the editor's settings. */
export function environment(options: Options, prefix = 'GHOSTLINE'): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(options)) {
    const name = `${prefix}_${key.toUpperCase()}`;
    if (isTree(value)) {
      Object.assign(variables, environment(value, name));
    } else {
      variables[name] = typeof value === 'string' ? value : JSON.stringify(value);
    }
  }
  return variables;
}

/** Where a setting is written, so that it is not overruled: where it has a value already, else for the user. */
export function placeOf(set: Inspected | undefined): 'workspaceFolder' | 'workspace' | 'global' {
  if (set?.workspaceFolderValue !== undefined) {
    return 'workspaceFolder';
  }
  return set?.workspaceValue !== undefined ? 'workspace' : 'global';
}

/** Whether nothing is suggested in a language; the server compares names in the same way. */
export function isDisabled(disabled: readonly string[], language: string): boolean {
  return disabled.some((name) => same(name, language));
}

/** The list of disabled languages with one switched on or off. */
export function withLanguage(disabled: readonly string[], language: string, isOn: boolean): string[] {
  const others = disabled.filter((name) => !same(name, language));
  return isOn ? others : [...others, language];
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
