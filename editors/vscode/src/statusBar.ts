/** The item in the status bar and the menu behind it. */

import * as vscode from 'vscode';

import { entries } from './menu';
import { SELECTOR, type Server } from './server';
import { isDisabled } from './settings';
import { type View, shown } from './status';

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  private readonly listeners: vscode.Disposable[];

  constructor(
    private readonly server: Server,
    private readonly extension: string,
  ) {
    this.item = vscode.window.createStatusBarItem('ghostline.status', vscode.StatusBarAlignment.Right, 100);
    this.item.name = 'ghostline';
    this.item.command = 'ghostline.showMenu';
    const draw = () => this.draw();
    this.listeners = [
      server.onDidChange(draw),
      vscode.window.onDidChangeActiveTextEditor(draw),
      // The language of a document can be changed while it is open.
      vscode.workspace.onDidOpenTextDocument(draw),
      vscode.workspace.onDidChangeConfiguration(draw),
    ];
    this.draw();
    this.item.show();
  }

  async showMenu(): Promise<void> {
    const entry = await vscode.window.showQuickPick(entries(view(this.server), this.extension), {
      title: 'ghostline',
      placeHolder: shown(view(this.server)).tooltip.split('\n')[0],
    });
    if (entry !== undefined) {
      await vscode.commands.executeCommand(entry.command, ...(entry.arguments ?? []));
    }
  }

  dispose(): void {
    this.item.dispose();
    for (const listener of this.listeners) {
      listener.dispose();
    }
  }

  private draw(): void {
    const { text, tooltip, severity } = shown(view(this.server));
    this.item.text = text;
    this.item.tooltip = tooltip;
    this.item.backgroundColor =
      severity === 'none' ? undefined : new vscode.ThemeColor(`statusBarItem.${severity}Background`);
  }
}

/** How things are: what the server says where it does, else the settings. */
export function view(server: Server): View {
  const settings = vscode.workspace.getConfiguration('ghostline');
  const state = server.state;
  const isOn =
    (state.state === 'running' ? state.status?.enabled : undefined) ?? settings.get<boolean>('completion.enabled', true);
  const document = vscode.window.activeTextEditor?.document;
  if (document === undefined || vscode.languages.match(SELECTOR, document) === 0) {
    return { server: state, isOn };
  }
  const id = document.languageId;
  return { server: state, isOn, language: { id, isOn: !isDisabled(disabledLanguages(server), id) } };
}

/** The disabled languages: the user's setting here, which overrules all others; without one what the server goes by. */
export function disabledLanguages(server: Server): readonly string[] {
  const settings = vscode.workspace.getConfiguration('ghostline');
  const set = settings.inspect<string[]>('languages.disabled');
  const here = set?.workspaceFolderValue ?? set?.workspaceValue ?? set?.globalValue;
  const told = server.state.state === 'running' ? server.state.status?.disabledLanguages : undefined;
  return here ?? told ?? settings.get<string[]>('languages.disabled', []);
}
