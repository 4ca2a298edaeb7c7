/** Tests of the status bar's text and of the menu behind it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { entries } from '../menu';
import { type Server, type ServerStatus, type View, shown } from '../status';

const READY: ServerStatus = { state: 'ready', model: { name: 'tiny', threads: 4, gpuLayers: 0 }, enabled: true };

function view(server: Server, rest: Partial<View> = {}): View {
  return { server, isOn: true, ...rest };
}

function running(status: ServerStatus): Server {
  return { state: 'running', status };
}

test('loading is shown with its percentage, ready with model and latency', () => {
  assert.equal(shown(view({ state: 'starting' })).text, '$(loading~spin) ghostline');
  assert.equal(shown(view({ state: 'running' })).text, '$(loading~spin) ghostline');
  assert.equal(shown(view(running({ state: 'loading', percent: 41.6 }))).text, '$(loading~spin) ghostline 42%');
  assert.equal(shown(view(running(READY))).text, '$(sparkle) tiny');
  assert.equal(shown(view(running({ ...READY, medianLatencyMs: 3.14 }))).text, '$(sparkle) tiny · 3.1 ms');
  assert.equal(shown(view(running({ ...READY, medianLatencyMs: 120.4 }))).text, '$(sparkle) tiny · 120 ms');
});

test('off is shown, everywhere or for the language', () => {
  const language = { id: 'rust', isOn: false };
  assert.equal(shown(view(running(READY), { isOn: false, language })).text, '$(circle-slash) ghostline off');
  assert.equal(shown(view(running(READY), { language })).text, '$(circle-slash) ghostline off for rust');
  assert.equal(shown(view(running(READY), { language: { id: 'rust', isOn: true } })).text, '$(sparkle) tiny');
});

test('what is wrong comes before everything else', () => {
  const failed = running({ state: 'failed', message: 'model file `x` not found' });
  for (const server of [{ state: 'missing', reason: 'no program' }, { state: 'failed', reason: 'it died' }, failed] as Server[]) {
    const { text, severity, tooltip } = shown(view(server, { isOn: false }));
    assert.deepEqual([text, severity], ['$(error) ghostline', 'error']);
    assert.match(tooltip, /no program|it died|model file/);
  }
  const old: Server = { state: 'running', status: READY, mismatch: 'too old' };
  assert.deepEqual(shown(view(old)), {
    text: '$(warning) ghostline',
    severity: 'warning',
    tooltip: 'ghostline: too old\nModel: tiny\nRuns on 4 CPU threads\nClick for more.',
  });
});

test('the tooltip has the details', () => {
  const model = { name: 'big', threads: 8, gpu: 'Card', gpuLayers: 24 };
  const status: ServerStatus = { state: 'ready', model, medianLatencyMs: 12, mode: 'subtle', shown: 9, accepted: 4 };
  assert.equal(
    shown(view(running(status))).tooltip,
    [
      'ghostline is ready.',
      'Model: big',
      'Runs on Card (24 layers), 8 CPU threads',
      'Median time to an answer: 12 ms',
      'Eagerness: subtle',
      'In this session: 9 shown, 4 accepted',
      'Click for more.',
    ].join('\n'),
  );
});

test('where text goes is seen without asking', () => {
  const away = (textGoesTo: string[], message?: string) =>
    shown(view(running({ ...READY, remote: { textGoesTo, ...(message === undefined ? {} : { message }) } })));
  assert.equal(away(['gpu.example:8080', 'b.example:443']).text, '$(cloud-upload) gpu.example:8080');
  assert.match(away(['gpu.example:8080', 'b.example:443']).tooltip, /^Text goes to gpu\.example:8080, b\.example:443$/m);
  const declined = away([], 'you have declined');
  assert.equal(declined.text, '$(sparkle) tiny');
  assert.match(declined.tooltip, /^Text stays on this machine\nyou have declined$/m);
  assert.doesNotMatch(shown(view(running(READY))).tooltip, /Text/);
});

test('a model\'s name can be anything: it is cut and draws no icons', () => {
  const named = (name: string) => shown(view(running({ state: 'ready', model: { name } }))).text;
  assert.equal(named('a-model-with-quite-a-long-name'), '$(sparkle) a-model-with-quite-a-lo…');
  assert.equal(named('$(bug) x\ny'), '$(sparkle) (bug) x y');
});

function commands(of: View): string[] {
  return entries(of, 'me.ghostline').map(({ command }) => command);
}

test('the menu offers switches, models, reports and a restart', () => {
  assert.deepEqual(commands(view(running(READY), { language: { id: 'rust', isOn: true } })), [
    'ghostline.toggleLanguage',
    'ghostline.toggle',
    'ghostline.chooseEagerness',
    'ghostline.chooseModel',
    'ghostline.showStatistics',
    'ghostline.runDoctor',
    'ghostline.showLog',
    'ghostline.restart',
  ]);
  const labels = (of: View) => entries(of, '').map(({ label }) => label);
  assert.ok(labels(view(running(READY), { language: { id: 'c', isOn: true } })).includes('$(circle-slash) Switch Off for c'));
  assert.ok(labels(view(running(READY), { language: { id: 'c', isOn: false } })).includes('$(check) Switch On for c'));
  assert.ok(labels(view(running(READY), { isOn: false })).includes('$(check) Switch On'));
});

test('the menu begins with what is wrong', () => {
  const [first] = entries(view({ state: 'failed', reason: 'it died' }), '');
  assert.deepEqual(first, { label: '$(output) Show Log', description: 'it died', command: 'ghostline.showLog' });
  assert.deepEqual(commands(view({ state: 'missing', reason: 'nowhere' })), [
    'ghostline.showLog',
    'extension.open',
    'workbench.action.openSettings',
    'ghostline.restart',
  ]);
});

test('every command of the menu and of the keys is declared', async () => {
  const { readFileSync } = await import('node:fs');
  const { contributes } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    contributes: { commands: { command: string }[]; keybindings: { command: string }[] };
  };
  const declared = contributes.commands.map(({ command }) => command);
  const used = [
    ...commands(view(running(READY), { language: { id: 'rust', isOn: true } })),
    ...contributes.keybindings.map(({ command }) => command).filter((command) => command !== 'runCommands'),
  ];
  assert.deepEqual(used.filter((command) => !declared.includes(command)), []);
});
