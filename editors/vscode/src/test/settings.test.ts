/** Tests of the settings, and of the manifest that declares them. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { type Inspected, serverOptions, stillSets } from '../settings';

function options(values: Record<string, Inspected>) {
  const names = Object.keys(values).map((name) => `ghostline.${name}`);
  return serverOptions(names, (name) => values[name]);
}

test('only what the user has set is sent, as a tree', () => {
  assert.deepEqual(
    options({
      'completion.max_tokens': { globalValue: 32 },
      'completion.multi_line': { globalValue: false },
      'engine.threads': {},
      'log.level': { globalValue: 'debug' },
    }),
    { completion: { max_tokens: 32, multi_line: false }, log: { level: 'debug' } },
  );
});

test('the narrower place wins', () => {
  const set = { globalValue: 1, workspaceValue: 2, workspaceFolderValue: 3 };
  assert.deepEqual(options({ a: set }), { a: 3 });
  assert.deepEqual(options({ a: { ...set, workspaceFolderValue: undefined } }), { a: 2 });
});

test('the path of the program is not sent to the program', () => {
  assert.deepEqual(options({ path: { globalValue: '/bin/ghostline' } }), {});
});

test('a changed value goes to the running server, one taken back does not', () => {
  const before = { completion: { max_tokens: 32 }, languages: { disabled: ['markdown'] } };
  assert.ok(stillSets({ completion: { max_tokens: 64 }, languages: { disabled: [] }, log: {} }, before));
  assert.ok(!stillSets({ completion: {}, languages: { disabled: [] } }, before));
  assert.ok(!stillSets({ languages: { disabled: [] } }, before));
  assert.ok(stillSets({}, {}));
});

test('null means not set, an empty list means an empty list', () => {
  assert.deepEqual(options({ a: { globalValue: null }, b: { globalValue: [] } }), { b: [] });
});

test('a workspace cannot choose what is executed or read', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const properties: Record<string, { scope?: string }> = manifest.contributes.configuration.properties;
  for (const name of ['ghostline.path', 'ghostline.model.path', 'ghostline.log.file']) {
    assert.equal(properties[name]?.scope, 'machine', name);
  }
});
