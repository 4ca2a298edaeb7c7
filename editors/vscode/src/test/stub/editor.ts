/** The editor around the extension: windows, documents, settings and commands, as a test drives them. */

import assert from 'node:assert/strict';

import { checked, install } from './vscode';
import { Disposable, EventEmitter, Position, Selection, Uri } from './types';

interface Inspected {
  globalValue?: unknown;
  workspaceValue?: unknown;
}

export interface Provider {
  provideInlineCompletionItems(document: object, position: object, context: object, token: object): Promise<unknown>;
}

type Command = (...args: unknown[]) => unknown;

const settingsChanged = new EventEmitter<object>();
const selectionChanged = new EventEmitter<object>();
const activeChanged = new EventEmitter<object | undefined>();
const visibleChanged = new EventEmitter<object[]>();
const opened = new EventEmitter<object>();
const textChanged = new EventEmitter<object>();

export const editor = {
  settings: new Map<string, Inspected>(),
  commands: new Map<string, Command>(),
  /** Commands of VS Code's own that were run. */
  ran: [] as string[],
  messages: [] as string[],
  log: [] as string[],
  providers: new Set<Provider>(),
  documents: [] as object[],
  active: undefined as ReturnType<typeof makeEditor> | undefined,
  visible: [] as object[],
  bar: { text: '', tooltip: '', backgroundColor: undefined as { id: string } | undefined },
  /** The labels that the last menu offered, and which of them is chosen. */
  offered: [] as string[],
  choice: undefined as string | undefined,
  /** What is chosen when the user is asked for a file. */
  file: undefined as Uri | undefined,
  /** What was shown as a document. */
  shown: [] as string[],
  contents: new Map<string, { provideTextDocumentContent(uri: Uri): string }>(),

  configure(name: string, set: Inspected): void {
    this.settings.set(name, set);
    settingsChanged.fire({ affectsConfiguration: (asked: string) => `ghostline.${name}`.startsWith(asked) });
  },

  async run(command: string, ...args: unknown[]): Promise<unknown> {
    const work = this.commands.get(command);
    assert.ok(work !== undefined, `command '${command}' not found`);
    return work(...args);
  },

  open(path: string, languageId: string): ReturnType<typeof makeEditor> {
    const made = makeEditor(path, languageId);
    this.documents.push(made.document);
    opened.fire(made.document);
    return made;
  },

  focus(made: ReturnType<typeof makeEditor>): void {
    this.active = made;
    this.visible = [made];
    activeChanged.fire(made);
    visibleChanged.fire(this.visible);
  },

  select(made: ReturnType<typeof makeEditor>, line: number, character: number): void {
    const at = new Position(line, character);
    made.selection = checked('Selection', new Selection(at, at));
    selectionChanged.fire({ textEditor: made, selections: [made.selection], kind: 1 });
  },

  type(made: ReturnType<typeof makeEditor>, text: string): void {
    made.raw.version += 1;
    const { line, character } = made.selection.active;
    const at = new Position(line, character);
    const change = { range: new Selection(at, at), rangeLength: 0, rangeOffset: 0, text };
    textChanged.fire({ document: made.document, contentChanges: [change] });
    this.select(made, line, character + text.length);
  },
};

function makeEditor(path: string, languageId: string) {
  const raw = { uri: Uri.file(path), languageId, version: 1, getText: () => 'let a =', isDirty: false, notebook: undefined };
  const document = checked('TextDocument', raw);
  const at = new Position(0, 0);
  const made = { document, raw, selection: checked('Selection', new Selection(at, at)) };
  return made;
}

function configuration(section: string) {
  const find = (name: string) => editor.settings.get(name) ?? {};
  assert.ok(section === 'ghostline', `getConfiguration(${section})`);
  return checked('WorkspaceConfiguration', {
    get: (name: string, otherwise: unknown) => find(name).workspaceValue ?? find(name).globalValue ?? otherwise,
    inspect: (name: string) => find(name),
    update: async (name: string, value: unknown, target: number) => {
      const place = target === 1 ? 'globalValue' : 'workspaceValue';
      editor.configure(name, { ...find(name), [place]: value });
    },
  });
}

function outputChannel() {
  const line = (text: string) => void editor.log.push(text);
  return checked('LogOutputChannel', {
    logLevel: 3,
    onDidChangeLogLevel: () => new Disposable(() => {}),
    error: line, warn: line, info: line, debug: line, trace: line, appendLine: line,
    show: () => line('shown'),
    dispose: () => {},
  });
}

const says = async (message: string) => void editor.messages.push(message);

install({
  commands: {
    registerCommand(name: string, work: Command) {
      assert.ok(!editor.commands.has(name), `command '${name}' already exists`);
      editor.commands.set(name, work);
      return new Disposable(() => editor.commands.delete(name));
    },
    async executeCommand(name: string, ...args: unknown[]) {
      if (name.startsWith('ghostline.')) {
        return editor.run(name, ...args);
      }
      editor.ran.push(name);
    },
  },
  env: { appName: 'Stub', language: 'en' },
  languages: {
    match: (selector: { scheme: string }[], document: { uri: Uri }) =>
      selector.some(({ scheme }) => scheme === document.uri.scheme) ? 5 : 0,
    registerInlineCompletionItemProvider(_: unknown, provider: Provider) {
      editor.providers.add(provider);
      return new Disposable(() => editor.providers.delete(provider));
    },
  },
  window: {
    get activeTextEditor() { return editor.active; },
    get visibleTextEditors() { return editor.visible; },
    tabGroups: { all: [], onDidChangeTabs: () => new Disposable(() => {}) },
    onDidChangeTextEditorSelection: selectionChanged.event,
    onDidChangeActiveTextEditor: activeChanged.event,
    onDidChangeVisibleTextEditors: visibleChanged.event,
    createOutputChannel: outputChannel,
    createStatusBarItem: () =>
      checked('StatusBarItem', Object.assign(editor.bar, { show() {}, dispose() {} })),
    createTerminal: (options: { pty: { onDidWrite: EventEmitter<string>['event']; open(): void } }) => ({
      show: () => { options.pty.onDidWrite((text) => editor.shown.push(text)); options.pty.open(); },
    }),
    showErrorMessage: says,
    showInformationMessage: says,
    showWarningMessage: says,
    async showQuickPick(items: { label: string }[]) {
      editor.offered = items.map(({ label }) => label);
      return items.find(({ label }) => label === editor.choice);
    },
    showOpenDialog: async () => (editor.file === undefined ? undefined : [editor.file]),
    async showTextDocument(uri: Uri) {
      editor.shown.push(editor.contents.get(uri.scheme)?.provideTextDocumentContent(uri) ?? '');
    },
  },
  workspace: {
    get textDocuments() { return editor.documents; },
    workspaceFolders: undefined,
    notebookDocuments: [],
    getConfiguration: configuration,
    onDidChangeConfiguration: settingsChanged.event,
    onDidOpenTextDocument: opened.event,
    onDidChangeTextDocument: textChanged.event,
    registerTextDocumentContentProvider(scheme: string, provider: { provideTextDocumentContent(uri: Uri): string }) {
      editor.contents.set(scheme, provider);
      return new Disposable(() => editor.contents.delete(scheme));
    },
  },
});
