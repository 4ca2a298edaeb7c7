/** The commands, but for the menu's and the server's. */

import * as vscode from 'vscode';

import { type Output, run } from './program';
import type { Server } from './server';
import { environment, isDisabled, placeOf, withLanguage } from './settings';
import { Statistics } from './statistics';
import { disabledLanguages, view } from './statusBar';

export function register(server: Server): vscode.Disposable[] {
  const statistics = new Statistics();
  const on = (command: string, work: () => unknown) => vscode.commands.registerCommand(`ghostline.${command}`, work);
  const pass = (command: string, to: string) => on(command, () => vscode.commands.executeCommand(to));
  return [
    statistics,
    on('toggle', () => write('completion.enabled', !view(server).isOn)),
    on('toggleLanguage', () => toggleLanguage(server)),
    on('chooseEagerness', chooseEagerness),
    on('chooseModel', chooseModel),
    on('showStatistics', () => withProgram(server, async (program) => {
      statistics.show(program, await run(program, ['stats']));
    })),
    on('runDoctor', () => withProgram(server, async (program) => runDoctor(server, program))),
    pass('trigger', 'editor.action.inlineSuggest.trigger'),
    pass('acceptNextWord', 'editor.action.inlineSuggest.acceptNextWord'),
    pass('acceptNextLine', 'editor.action.inlineSuggest.acceptNextLine'),
  ];
}

async function toggleLanguage(server: Server): Promise<void> {
  const language = view(server).language?.id;
  if (language === undefined) {
    void vscode.window.showInformationMessage('ghostline: open a file of the language first.');
    return;
  }
  const disabled = disabledLanguages(server);
  await write('languages.disabled', withLanguage(disabled, language, isDisabled(disabled, language)));
}

async function chooseEagerness(): Promise<void> {
  const choices = [
    { label: 'automatic', description: 'while you type' },
    { label: 'subtle', description: 'while you type, but only one line and only what is very likely' },
    { label: 'manual', description: 'when you ask for it' },
  ];
  const choice = await vscode.window.showQuickPick(choices, { title: 'ghostline: Eagerness' });
  if (choice !== undefined) {
    await write('eagerness.mode', choice.label);
  }
}

async function chooseModel(): Promise<void> {
  const builtIn: vscode.QuickPickItem = { label: '$(package) The built-in model' };
  const file: vscode.QuickPickItem = { label: '$(folder-opened) A GGUF file…' };
  const current = vscode.workspace.getConfiguration('ghostline').get<string | null>('model.path', null);
  if (current !== null) {
    file.description = current;
  }
  const choice = await vscode.window.showQuickPick([builtIn, file], { title: 'ghostline: Choose a Model' });
  if (choice === builtIn) {
    // Not taken back: the configuration file may name another one.
    await write('model.path', 'builtin');
  } else if (choice === file) {
    const files = await vscode.window.showOpenDialog({
      title: 'ghostline: Choose a Model',
      openLabel: 'Use This Model',
      filters: { 'GGUF models': ['gguf'] },
    });
    if (files?.[0] !== undefined) {
      await write('model.path', files[0].fsPath);
    }
  }
}

/** Writes a setting where it has a value already, else for the user; the server is told by the change. */
async function write(name: string, value: unknown): Promise<void> {
  const settings = vscode.workspace.getConfiguration('ghostline');
  const target = {
    global: vscode.ConfigurationTarget.Global,
    workspace: vscode.ConfigurationTarget.Workspace,
    workspaceFolder: vscode.ConfigurationTarget.WorkspaceFolder,
  }[placeOf(settings.inspect(name))];
  try {
    await settings.update(name, value, target);
  } catch (error) {
    // A settings file that cannot be read or written, mostly.
    const reason = error instanceof Error ? error.message : String(error);
    void vscode.window.showErrorMessage(`ghostline: "ghostline.${name}" cannot be set: ${reason}`);
  }
}

async function withProgram(server: Server, work: (program: string) => Promise<void>): Promise<void> {
  const search = server.search();
  if ('missing' in search) {
    void vscode.window.showErrorMessage(search.missing);
    return;
  }
  await work(search.found);
}

/** `ghostline doctor` in a terminal that stays open, whatever the user's shell is and however that one quotes. */
function runDoctor(server: Server, program: string): void {
  const written = new vscode.EventEmitter<string>();
  const closed = new vscode.EventEmitter<void>();
  const show = (output: Output) => {
    written.fire(`${output.text}\n\nPress a key to close.`.replace(/\r?\n/g, '\r\n'));
  };
  const terminal = vscode.window.createTerminal({
    name: 'ghostline doctor',
    pty: {
      onDidWrite: written.event,
      onDidClose: closed.event,
      open: () => {
        written.fire(`${program} doctor\r\n\r\n`);
        void run(program, ['doctor'], environment(server.options())).then(show);
      },
      handleInput: () => closed.fire(),
      close: () => {},
    },
  });
  terminal.show();
}
