/** What `ghostline stats` prints, as a read-only document. */

import * as vscode from 'vscode';

import { type Output, isTooOld } from './program';

const SCHEME = 'ghostline-statistics';

export class Statistics implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  private readonly uri = vscode.Uri.parse(`${SCHEME}:ghostline statistics`);
  private text = '';

  readonly onDidChange = this.changed.event;

  provideTextDocumentContent(): string {
    return this.text;
  }

  async show(program: string, output: Output): Promise<void> {
    if (isTooOld(output, 'stats')) {
      void vscode.window.showErrorMessage(
        `ghostline: ${program} is too old to have statistics; update it with "make install".`,
      );
      return;
    }
    if (!output.isSuccess) {
      void vscode.window.showErrorMessage(`ghostline: ${output.text}`);
      return;
    }
    this.text = `${output.text}\n`;
    this.changed.fire(this.uri);
    await vscode.window.showTextDocument(this.uri, { preview: true });
  }

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
  }
}
