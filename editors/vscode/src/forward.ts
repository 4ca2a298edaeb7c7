/** Tells the server what LSP has no words for: what is looked at, where the cursor goes, what was shown. */

import * as vscode from 'vscode';

import { Moves, inView } from './moves';
import { SELECTOR, type Server } from './server';

/** Going from one editor to another passes through none at all. */
const FOCUS_SETTLED_MS = 100;

export class Forward implements vscode.Disposable {
  private readonly moves: Moves;
  private readonly listeners: vscode.Disposable[];
  private focusTimer: NodeJS.Timeout | undefined;
  /** The last answer, as long as it is the last. */
  private ghost: { document: vscode.TextDocument; item: { insertText: string; command?: vscode.Command } } | undefined;
  /** What the server was told last. */
  private told = { focus: '', visible: '' };

  constructor(private readonly server: Server) {
    const timers = { set: setTimeout, clear: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout) };
    this.moves = new Moves(({ uri, line, character }) => {
      const params = { textDocument: { uri }, position: { line, character } };
      this.server.notify('ghostline/didChangeSelection', params);
    }, timers);
    this.listeners = [
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => this.moved(textEditor)),
      vscode.window.onDidChangeActiveTextEditor(() => this.settle()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.settle()),
      vscode.workspace.onDidChangeTextDocument(({ contentChanges }) => {
        // What changes without a change of text is whether the document is saved.
        if (contentChanges.length > 0) {
          this.moves.forget();
        }
      }),
      vscode.workspace.onDidCloseTextDocument((document) => this.moves.closed(document.uri.toString())),
    ];
  }

  /** A new server knows nothing of this yet. */
  begin(): void {
    this.told = { focus: '', visible: '' };
    this.moves.forget();
    this.looked();
  }

  /** Ghost text was handed to the editor, which shows it if nothing has come in between; or there is none. */
  answered(document: vscode.TextDocument, item: vscode.InlineCompletionItem | undefined): void {
    this.ghost = undefined;
    if (item !== undefined) {
      const { insertText, command } = item;
      const text = typeof insertText === 'string' ? insertText : insertText.value;
      this.ghost = { document, item: { insertText: text, command } };
      this.server.notify('textDocument/didShowCompletion', { item: this.ghost.item });
    }
  }

  /** The user has put ghost text away: the key in the manifest hides it as VS Code does and then comes here. */
  dismissed(): void {
    const ghost = this.ghost;
    this.ghost = undefined;
    // What is in view may come from another extension.
    if (ghost !== undefined && ghost.document === vscode.window.activeTextEditor?.document) {
      this.server.notify('ghostline/didDismiss', { item: ghost.item });
    }
  }

  dispose(): void {
    clearTimeout(this.focusTimer);
    this.moves.forget();
    for (const listener of this.listeners) {
      listener.dispose();
    }
  }

  private settle(): void {
    clearTimeout(this.focusTimer);
    this.focusTimer = setTimeout(() => this.looked(), FOCUS_SETTLED_MS);
  }

  private looked(): void {
    const active = vscode.window.activeTextEditor;
    const focused = active !== undefined && isServed(active.document) ? active.document.uri.toString() : undefined;
    const editors = vscode.window.visibleTextEditors.filter(({ document }) => isServed(document));
    const visible = inView(editors.map(({ document }) => document.uri.toString()), focused);

    this.once('focus', focused ?? 'none', 'textDocument/didFocus', { textDocument: { uri: focused ?? null } });
    const textDocuments = visible.map((uri) => ({ uri }));
    this.once('visible', JSON.stringify(visible), 'ghostline/didChangeVisible', { textDocuments });
    if (active !== undefined) {
      this.moved(active);
    }
  }

  private once(what: 'focus' | 'visible', value: string, method: string, params: object): void {
    if (this.told[what] !== value) {
      this.told[what] = value;
      this.server.notify(method, params);
    }
  }

  private moved(editor: vscode.TextEditor): void {
    const { document, selection } = editor;
    if (!isServed(document)) {
      return;
    }
    this.moves.moved({
      uri: document.uri.toString(),
      version: document.version,
      line: selection.active.line,
      character: selection.active.character,
      isActive: editor === vscode.window.activeTextEditor,
      isEmpty: selection.isEmpty,
    });
  }
}

function isServed(document: vscode.TextDocument): boolean {
  return vscode.languages.match(SELECTOR, document) > 0;
}
