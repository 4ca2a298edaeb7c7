/**
 * Starts `ghostline lsp` and connects it. Everything else is the language client's: it registers the inline
 * completion provider, keeps documents in step and restarts a server that died.
 */

import * as fs from 'node:fs';
import * as os from 'node:os';
import * as readline from 'node:readline';
import * as vscode from 'vscode';
import { LanguageClient } from 'vscode-languageclient/node';

import { type Machine, findBinary } from './binary';
import { logLine } from './log';
import { type Options, serverOptions, stillSets } from './settings';

let client: LanguageClient | undefined;
/** What the running server was started with. */
let started: Options = {};
/** Starting and stopping wait for each other: a restart during a start must not leave two servers. */
let turn: Promise<void> = Promise.resolve();

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel('ghostline', { log: true });
  const restart = () => inTurn(async () => { await stop(); await start(context, output); });

  context.subscriptions.push(
    output,
    vscode.commands.registerCommand('ghostline.restart', restart),
    vscode.commands.registerCommand('ghostline.showLog', () => output.show()),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (!event.affectsConfiguration('ghostline')) {
        return;
      }
      const settings = options(context);
      if (event.affectsConfiguration('ghostline.path') || !stillSets(settings, started)) {
        await restart();
      } else if (client?.isRunning()) {
        await client.sendNotification('workspace/didChangeConfiguration', { settings: { ghostline: settings } });
      }
    }),
  );
  await inTurn(() => start(context, output));
}

export function deactivate(): Promise<void> {
  return inTurn(stop);
}

function inTurn(work: () => Promise<void>): Promise<void> {
  turn = turn.then(work, work);
  return turn;
}

async function start(context: vscode.ExtensionContext, output: vscode.LogOutputChannel): Promise<void> {
  const setting = vscode.workspace.getConfiguration('ghostline').get<string>('path', '');
  const search = findBinary(setting, context.extensionPath, machine());
  if ('missing' in search) {
    output.error(search.missing);
    // Not awaited: a message may stand for hours, and the next start must not wait for it.
    void tellMissing(search.missing, context.extension.id);
    return;
  }
  started = options(context);
  const server = { command: search.found, args: ['lsp'] };
  const next = new LanguageClient('ghostline', 'ghostline', server, {
    documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
    initializationOptions: started,
    outputChannel: output,
    stdioOptions: {
      // The protocol.
      stdout: () => {},
      stderr: (stream) => {
        readline.createInterface({ input: stream }).on('line', (line) => {
          const { level, text } = logLine(line);
          output[level](text);
        });
      },
    },
  });
  try {
    await next.start();
    client = next;
  } catch (error) {
    output.error(`${search.found} lsp: ${error instanceof Error ? error.message : String(error)}`);
    const answer = vscode.window.showErrorMessage(`ghostline: ${search.found} did not start.`, 'Show Log');
    void answer.then((button) => button === 'Show Log' && output.show());
  }
}

async function stop(): Promise<void> {
  const running = client;
  client = undefined;
  await running?.dispose();
}

async function tellMissing(reason: string, extension: string): Promise<void> {
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

/** The server's options, as far as the user has set them; the names come from the manifest. */
function options(context: vscode.ExtensionContext): Options {
  const manifest = context.extension.packageJSON as {
    contributes: { configuration: { properties: Record<string, unknown> } };
  };
  const configuration = vscode.workspace.getConfiguration('ghostline');
  const names = Object.keys(manifest.contributes.configuration.properties);
  return serverOptions(names, (name) => configuration.inspect(name));
}

function machine(): Machine {
  return {
    platform: process.platform,
    env: process.env,
    home: os.homedir(),
    isExecutable(file) {
      try {
        fs.accessSync(file, fs.constants.X_OK);
        return fs.statSync(file).isFile();
      } catch {
        return false;
      }
    },
  };
}
