/** Tests of the whole extension in a stubbed editor, against a process that behaves like the server. */

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, test } from 'node:test';

// Before the extension, which imports what this stands for.
import { editor } from './stub/editor';
import { CancellationTokenSource, Position, Uri } from './stub/types';
import { violations } from './stub/vscode';

import { activate, deactivate } from '../extension';

type Heard = { pid?: number; id?: number; method?: string; params?: Record<string, unknown> };

const folder = mkdtempSync(path.join(tmpdir(), 'ghostline-'));
const program = path.join(folder, 'ghostline');
const log = path.join(folder, 'log.jsonl');
const context = {
  subscriptions: [] as { dispose(): void }[],
  extensionPath: folder,
  extension: { id: 'ghostline.ghostline', packageJSON: JSON.parse(readFileSync('package.json', 'utf8')) as unknown },
};

function heard(method?: string): Heard[] {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  const all = lines.map((line) => JSON.parse(line) as Heard);
  return method === undefined ? all : all.filter((message) => message.method === method);
}

/** Waits until `probe` gives something; what is waited for does happen, sooner or later. */
async function until<T>(what: string, probe: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) {
      return found;
    }
    assert.ok(Date.now() < deadline, `waited in vain for ${what}; log: ${editor.log.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const pids = () => heard().flatMap(({ pid }) => pid ?? []);
const isReady = () => editor.bar.text.includes('tiny');
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function ask(made: object): Promise<{ items: { insertText: string; command: { arguments: unknown[] } }[] }> {
  const [provider] = [...editor.providers];
  assert.ok(provider !== undefined && editor.providers.size === 1, 'one provider');
  const context = { triggerKind: 1, selectedCompletionInfo: undefined };
  const { token } = new CancellationTokenSource();
  const document = (made as { document: object }).document;
  return (await provider.provideInlineCompletionItems(document, new Position(0, 7), context, token)) as never;
}

before(() => {
  process.env['FAKE_LOG'] = log;
  const fake = path.resolve('out/stub/fake.js');
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${fake}" "$@"\n`);
  chmodSync(program, 0o755);
});

after(async () => {
  await deactivate();
  pids().filter(isAlive).forEach((pid) => process.kill(pid, 'SIGKILL'));
  rmSync(folder, { recursive: true });
});

const rust = editor.open('/w/a.rs', 'rust');

test('without the program the status bar and a message say what to do', async () => {
  process.env['PATH'] = '';
  editor.settings.set('path', { globalValue: '/nowhere/ghostline' });
  await activate(context as never);
  assert.equal(editor.bar.text, '$(error) ghostline');
  assert.equal(editor.bar.backgroundColor?.id, 'statusBarItem.errorBackground');
  assert.match(editor.messages.join('\n'), /\/nowhere\/ghostline.*make install/s);
  editor.choice = '$(book) How to Install';
  await editor.run('ghostline.showMenu');
  assert.deepEqual(editor.ran.splice(0), ['extension.open']);
  assert.deepEqual(violations, []);
});

test('the server is started once it can be found, and is told what was set, without defaults', async () => {
  editor.settings.set('engine.threads', { globalValue: 2 });
  editor.settings.set('completion.max_tokens', { workspaceValue: 32 });
  editor.configure('path', { globalValue: program });
  await until('the model', isReady);
  assert.equal(editor.bar.text, '$(sparkle) tiny · 7.3 ms');
  assert.match(editor.bar.tooltip, /2 CPU threads\n.*7\.3 ms\nIn this session: 3 shown, 1 accepted/);
  const { capabilities, initializationOptions } = heard('initialize')[0]?.params as {
    capabilities: { experimental: unknown; window: { workDoneProgress: boolean } };
    initializationOptions: unknown;
  };
  assert.deepEqual(capabilities.experimental, { ghostline: { status: true, wholeWord: true } });
  assert.equal(capabilities.window.workDoneProgress, false);
  assert.deepEqual(initializationOptions, { engine: { threads: 2 } });
  const settings = heard('workspace/didChangeConfiguration').map(({ params }) => params?.['settings']);
  assert.deepEqual(settings, [{ ghostline: { engine: { threads: 2 }, completion: { max_tokens: 32 } } }]);
  assert.equal(heard('textDocument/didOpen').length, 1);
});

test('ghost text that is handed to the editor is told to have been shown, and accepting runs the server\'s command', async () => {
  const { items } = await ask(rust);
  assert.equal(items[0]?.insertText, ' 1;');
  const shown = await until('shown', () => heard('textDocument/didShowCompletion')[0]);
  const { item } = shown.params as { item: { command: { arguments: string[] } } };
  assert.deepEqual(item.command.arguments, ['s1']);
  await editor.run('ghostline.accepted', ...(items[0]?.command.arguments ?? []));
  const accepted = heard('workspace/executeCommand')[0];
  assert.deepEqual(accepted?.params, { command: 'ghostline.accepted', arguments: ['s1'] });
});

test('commands under another extension\'s name are left to that one', () => {
  assert.ok(editor.commands.has('ghostline.accepted') && !editor.commands.has('other.accepted'));
});

test('ghost text that is put away is told, once', async () => {
  editor.active = rust;
  await ask(rust);
  await editor.run('ghostline.dismissed');
  await editor.run('ghostline.dismissed');
  const dismissed = await until('dismissed', () => heard('ghostline/didDismiss')[0]);
  assert.deepEqual((dismissed.params as { item: { command: { arguments: string[] } } }).item.command.arguments, ['s1']);
  await ask(rust);
  await until('shown', () => heard('textDocument/didShowCompletion').length === 3);
  assert.equal(heard('ghostline/didDismiss').length, 1);
  editor.active = undefined;
});

test('focus, visible documents and cursor moves are told, typing is not a move', async () => {
  editor.focus(rust);
  const uri = 'file:///w/a.rs';
  const visible = await until('visible', () => heard('ghostline/didChangeVisible').at(-1));
  await until('focus', () => heard('textDocument/didFocus').find(({ params }) =>
    (params as { textDocument: { uri: string } }).textDocument.uri === uri));
  await until('visible', () => heard('ghostline/didChangeVisible').length === 2);
  assert.deepEqual(heard('ghostline/didChangeVisible').at(-1)?.params, { textDocuments: [{ uri }] });
  assert.ok(visible !== undefined);
  await until('the cursor', () => heard('ghostline/didChangeSelection').length === 1);
  editor.type(rust, 'x');
  editor.select(rust, 0, 5);
  editor.select(rust, 0, 4);
  const moved = await until('a move', () => heard('ghostline/didChangeSelection')[1]);
  assert.deepEqual(moved.params, { textDocument: { uri }, position: { line: 0, character: 4 } });
});

test('switching writes the settings where they stand, and the server is told without a new start', async () => {
  editor.settings.set('languages.disabled', { workspaceValue: ['markdown'] });
  await editor.run('ghostline.toggleLanguage');
  assert.deepEqual(editor.settings.get('languages.disabled'), { workspaceValue: ['markdown', 'rust'] });
  assert.equal(editor.bar.text, '$(circle-slash) ghostline off for rust');
  await editor.run('ghostline.toggleLanguage');
  assert.deepEqual(editor.settings.get('languages.disabled'), { workspaceValue: ['markdown'] });
  await editor.run('ghostline.toggle');
  assert.deepEqual(editor.settings.get('completion.enabled'), { globalValue: false });
  const last = await until('the settings', () => heard('workspace/didChangeConfiguration')[3]);
  assert.deepEqual((last.params as { settings: { ghostline: { languages: unknown } } }).settings.ghostline.languages, {
    disabled: ['markdown'],
  });
  assert.equal(pids().length, 1);
});

test('a server that dies is started again, its command too, and knows where the user is', async () => {
  const [first] = pids();
  process.kill(first ?? 0, 'SIGKILL');
  await until('another server', () => pids().length === 2);
  await until('the model', isReady);
  assert.equal((await ask(rust)).items.length, 1);
  await editor.run('ghostline.accepted', 's1');
  const begun = heard().slice(heard().findIndex(({ pid }) => pid === pids()[1]));
  assert.ok(begun.some(({ method }) => method === 'textDocument/didFocus'));
});

test('a restart ends the server and starts another', async () => {
  const before = pids();
  await Promise.all([editor.run('ghostline.restart'), editor.run('ghostline.restart')]);
  await until('the model', isReady);
  assert.equal(pids().length, before.length + 2);
  await until('the others to end', () => pids().filter(isAlive).length === 1);
  assert.equal((await ask(rust)).items.length, 1);
});

test('a program that is too old for statistics is named', async () => {
  await editor.run('ghostline.showStatistics');
  assert.match(editor.messages.at(-1) ?? '', /too old to have statistics/);
});

test('statistics are shown as a document, anew each time', async () => {
  for (const text of ['rust 3 of 9', 'rust 4 of 10']) {
    process.env['FAKE_STATS'] = text;
    await editor.run('ghostline.showStatistics');
    await until('the document', () => editor.shown.at(-1) === `${text}\n`);
  }
});

test('another model is chosen by its file, for the user, and the built-in one by its name', async () => {
  editor.choice = '$(folder-opened) A GGUF file…';
  editor.file = Uri.file('/m/other.gguf');
  await editor.run('ghostline.chooseModel');
  assert.deepEqual(editor.settings.get('model.path'), { globalValue: '/m/other.gguf' });
  const told = JSON.stringify(await until('the model\'s path', () =>
    heard('workspace/didChangeConfiguration').find(({ params }) => JSON.stringify(params).includes('/m/other.gguf'))));
  assert.match(told, /"model":\{"path":"\/m\/other.gguf"\}/);
  editor.choice = '$(package) The built-in model';
  await editor.run('ghostline.chooseModel');
  assert.deepEqual(editor.settings.get('model.path'), { globalValue: 'builtin' });
});

test('how eager ghost text is stands in the settings, too', async () => {
  editor.choice = 'subtle';
  await editor.run('ghostline.chooseEagerness');
  assert.deepEqual(editor.settings.get('eagerness.mode'), { globalValue: 'subtle' });
});

test('the doctor runs in a terminal, with the settings of the editor', async () => {
  await editor.run('ghostline.runDoctor');
  await until('the doctor', () => editor.shown.at(-1)?.includes("unrecognized subcommand 'doctor'"));
});

test('accepting a word or a line is left to the editor', async () => {
  await editor.run('ghostline.acceptNextWord');
  await editor.run('ghostline.acceptNextLine');
  await editor.run('ghostline.trigger');
  assert.deepEqual(editor.ran, ['acceptNextWord', 'acceptNextLine', 'trigger'].map((name) => `editor.action.inlineSuggest.${name}`));
});

test('a program of another version works, and is named', async () => {
  process.env['FAKE_VERSION'] = '0.9.0';
  await editor.run('ghostline.restart');
  await until('a warning', () => editor.bar.text === '$(warning) ghostline');
  assert.match(editor.bar.tooltip, /is version 0\.9\.0, the extension 0\.1\.0: update the extension/);
  delete process.env['FAKE_VERSION'];
});

test('a server that keeps dying is given up, and the menu offers a restart', async () => {
  await editor.run('ghostline.restart');
  for (let crash = 0; crash < 4; crash += 1) {
    const count = pids().length;
    await until('the model', isReady);
    process.kill(pids().at(-1) ?? 0, 'SIGKILL');
    await until('what follows', () => pids().length > count || editor.bar.text === '$(error) ghostline');
  }
  await until('an error', () => editor.bar.text === '$(error) ghostline');
  assert.match(editor.bar.tooltip, /crashed several times/);
  // One message, and none of the language client's own.
  assert.match(editor.messages.at(-1) ?? '', /crashed several times/);
  assert.deepEqual(editor.messages.filter((text) => !/^ghostline: |^The setting/.test(text)), []);
  editor.choice = '$(debug-restart) Restart';
  await editor.run('ghostline.showMenu');
  await until('the model', isReady);
});

test('nothing is left behind, and nothing beyond the API of VS Code 1.91 was touched', async () => {
  await deactivate();
  await until('the server to end', () => pids().filter(isAlive).length === 0);
  assert.equal(editor.providers.size, 0);
  assert.ok(!editor.commands.has('ghostline.accepted'));
  context.subscriptions.forEach((one) => one.dispose());
  assert.equal(editor.commands.size, 0);
  assert.deepEqual(violations, []);
});
