/** Puts the parts together: the server, what it is told, the status bar, the commands. */

import * as vscode from 'vscode';

import { register } from './commands';
import { Forward } from './forward';
import { Server } from './server';
import { StatusBar } from './statusBar';

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel('ghostline', { log: true });
  const started = new Server(context, output, {
    onRunning: () => forward.begin(),
    onAnswered: (document, item) => forward.answered(document, item),
    // Not awaited: a message may stand for hours, and the next start must not wait for it.
    onTrouble: (state, reason) => void tell(state, reason, context.extension.id),
  });
  const forward = new Forward(started);
  const statusBar = new StatusBar(started, context.extension.id);
  server = started;

  context.subscriptions.push(
    output,
    forward,
    statusBar,
    ...register(started),
    vscode.commands.registerCommand('ghostline.showMenu', () => statusBar.showMenu()),
    vscode.commands.registerCommand('ghostline.dismissed', () => forward.dismissed()),
    vscode.commands.registerCommand('ghostline.restart', () => started.restart()),
    vscode.commands.registerCommand('ghostline.showLog', () => output.show()),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration('ghostline')) {
        await started.configure(event.affectsConfiguration('ghostline.path'));
      }
    }),
  );
  await started.restart();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
  server = undefined;
}

async function tell(state: 'missing' | 'failed', reason: string, extension: string): Promise<void> {
  if (state === 'failed') {
    const button = await vscode.window.showErrorMessage(`ghostline: ${reason}`, 'Show Log', 'Restart');
    if (button !== undefined) {
      await vscode.commands.executeCommand(button === 'Restart' ? 'ghostline.restart' : 'ghostline.showLog');
    }
    return;
  }
  const button = await vscode.window.showErrorMessage(
    `${reason} Build it with "make install", or set "ghostline.path".`,
    'Open Settings',
    'How to Install',
  );
  if (button === 'Open Settings') {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'ghostline.path');
  } else if (button === 'How to Install') {
    // The extension's page shows its README.
    await vscode.commands.executeCommand('extension.open', extension);
  }
}
