/**
 * A `vscode` module for tests: as much of the editor as the extension uses, and nothing that the oldest supported
 * version does not have. Whatever else is touched throws, and is noted, lest the throw be caught somewhere.
 */

import { Module } from 'node:module';

import { readApi } from './api';
import * as types from './types';

const api = readApi('node_modules/@types/vscode/index.d.ts');

/** What was touched that the stable API does not have, or that this stub lacks. */
export const violations: string[] = [];

/** Guards an object by the members that the API declares for it. */
export function checked<T extends object>(name: string, target: T): T {
  const members = api.members.get(name) ?? new Set<string>();
  const refuse = (key: PropertyKey): never => {
    const is = members.has(String(key)) ? 'not in the stub' : 'not in the API of VS Code 1.91';
    violations.push(`${name}.${String(key)} is ${is}`);
    throw new Error(violations.at(-1));
  };
  return new Proxy(target, {
    get(from, key, receiver) {
      if (typeof key === 'symbol' || Object.hasOwn(Object.prototype, key) || key === 'then' || key === 'toJSON') {
        return Reflect.get(from, key, receiver) as unknown;
      }
      return members.has(key) && key in from ? (Reflect.get(from, key) as unknown) : refuse(key);
    },
    set(from, key, value) {
      return members.has(String(key)) ? Reflect.set(from, key, value) : refuse(key);
    },
  });
}

/** A namespace: what is given, and for the rest events and registrations that never come to anything. */
function namespace(name: string, given: object): object {
  const members = api.members.get(name) ?? new Set<string>();
  const inert = [...members].filter((member) => /^(on(Did|Will)|register|create)[A-Z]/.test(member));
  const nothing = () => new types.Disposable(() => {});
  const all = Object.fromEntries(inert.map((member) => [member, nothing]));
  return checked(name, Object.defineProperties(all, Object.getOwnPropertyDescriptors(given)));
}

/** The module: `namespaces` by name. */
export function install(namespaces: Record<string, object>): void {
  const values: Record<string, unknown> = { version: '1.91.0' };
  for (const name of api.classes) {
    values[name] = class {};
  }
  for (const [name, of] of api.enums) {
    values[name] = of;
  }
  Object.assign(values, types);
  for (const [name, given] of Object.entries(namespaces)) {
    values[name] = namespace(name, given);
  }
  // Bundled code copies the names of a module and asks its prototype for the others.
  const fallback = new Proxy({}, {
    get(_, key) {
      if (typeof key === 'symbol' || key === '__esModule' || Object.hasOwn(Object.prototype, key)) {
        return undefined;
      }
      violations.push(`${key} is ${api.values.has(key) ? 'not in the stub' : 'not in the API of VS Code 1.91'}`);
      throw new Error(violations.at(-1));
    },
  });
  const stub: unknown = Object.setPrototypeOf(values, fallback);
  const loader = Module as unknown as { _load: (request: string, ...rest: unknown[]) => unknown };
  const load = loader._load;
  loader._load = (request, ...rest) => (request === 'vscode' ? stub : load(request, ...rest));
}
