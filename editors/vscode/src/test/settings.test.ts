/** Tests of the settings, and of the manifest that declares them. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import {
  type Inspected,
  environment,
  isDisabled,
  placeOf,
  serverOptions,
  startOptions,
  stillSets,
  withLanguage,
} from '../settings';

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

test('a server starts with what its model and the network depend on, and is told the rest', () => {
  const first = { model: { path: '/m' }, remote: { url: 'http://box:1' }, network: { offline: true } };
  const all = { ...first, completion: { enabled: false }, languages: { disabled: [] } };
  assert.deepEqual(startOptions(all), first);
});

test('the doctor gets the settings by its environment', () => {
  const all = { model: { path: '/m', gpu_layers: 3 }, languages: { disabled: ['c'] }, log: { level: 'off' } };
  assert.deepEqual(environment(all), {
    GHOSTLINE_MODEL_PATH: '/m',
    GHOSTLINE_MODEL_GPU_LAYERS: '3',
    GHOSTLINE_LANGUAGES_DISABLED: '["c"]',
    GHOSTLINE_LOG_LEVEL: 'off',
  });
});

test('a setting is written where it has a value, else for the user', () => {
  assert.equal(placeOf(undefined), 'global');
  assert.equal(placeOf({}), 'global');
  assert.equal(placeOf({ globalValue: 1 }), 'global');
  assert.equal(placeOf({ globalValue: 1, workspaceValue: false }), 'workspace');
  assert.equal(placeOf({ workspaceValue: 1, workspaceFolderValue: 2 }), 'workspaceFolder');
});

test('a language is switched off and on by its name, however that is written', () => {
  assert.deepEqual(withLanguage(['Markdown'], 'rust', false), ['Markdown', 'rust']);
  assert.deepEqual(withLanguage(['Markdown', 'rust'], 'markdown', true), ['rust']);
  assert.deepEqual(withLanguage(['Rust'], 'rust', false), ['rust']);
  assert.ok(isDisabled(['Rust'], 'rust') && !isDisabled(['c'], 'cpp'));
});
