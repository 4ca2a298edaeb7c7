/**
 * The server's process and the connection to it. Keeping documents in step, the inline completion provider and the
 * command of accepted items are the language client's.
 */

import * as fs from 'node:fs';
import * as os from 'node:os';
import * as readline from 'node:readline';
import * as vscode from 'vscode';
import {
  type ClientCapabilities,
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  type ServerCapabilities,
  State,
  type StaticFeature,
} from 'vscode-languageclient/node';

import { type Machine, findBinary } from './binary';
import { Crashes } from './crashes';
import { logLine } from './log';
import { type Options, serverOptions, startOptions, stillSets } from './settings';
import type { Server as ServerState, ServerStatus } from './status';
import { mismatch } from './version';

/** The documents that the server is told about. */
export const SELECTOR = [{ scheme: 'file' }, { scheme: 'untitled' }];

/** What the rest of the extension is told. */
export interface Events {
  /** There is a server, perhaps a new one, that knows the documents but nothing else. */
  onRunning(): void;
  /** Ghost text for a document was handed to the editor, or there is none. */
  onAnswered(document: vscode.TextDocument, item: vscode.InlineCompletionItem | undefined): void;
  /** The user has to do something. */
  onTrouble(state: 'missing' | 'failed', reason: string): void;
}

export class Server {
  private client: LanguageClient | undefined;
  private current: ServerState = { state: 'starting' };
  private readonly changed = new vscode.EventEmitter<void>();
  /** What the running server was started with. */
  private started: Options = {};
  /** Starting and stopping wait for each other: a restart during a start must not leave two servers. */
  private turn: Promise<void> = Promise.resolve();

  /** Something that the status bar shows has changed. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly output: vscode.LogOutputChannel,
    private readonly events: Events,
  ) {}

  get state(): ServerState {
    return this.current;
  }

  restart(): Promise<void> {
    return this.inTurn(async () => {
      await this.stopNow();
      await this.startNow();
    });
  }

  stop(): Promise<void> {
    return this.inTurn(() => this.stopNow());
  }

  /** Sends a notification, if there is a server to hear it. */
  notify(method: string, params: object): void {
    if (this.client?.isRunning() === true) {
      this.client.sendNotification(method, params).catch(() => {
        // It died at this moment; its end is told by its state.
      });
    }
  }

  /** Takes over changed settings: at once, or by a new start where the server keeps what it was started with. */
  async configure(isOtherProgram: boolean): Promise<void> {
    // Whatever has changed may be the cure for a server that cannot run.
    if (isOtherProgram || this.current.state === 'failed' || !stillSets(startOptions(this.options()), this.started)) {
      await this.restart();
    } else {
      this.sendOptions();
    }
  }

  /** The program, looked for anew. */
  search(): ReturnType<typeof findBinary> {
    const setting = vscode.workspace.getConfiguration('ghostline').get<string>('path', '');
    return findBinary(setting, this.context.extensionPath, machine());
  }

  /** The server's options, as far as the user has set them; the names come from the manifest. */
  options(): Options {
    const manifest = this.context.extension.packageJSON as {
      contributes: { configuration: { properties: Record<string, unknown> } };
    };
    const configuration = vscode.workspace.getConfiguration('ghostline');
    const names = Object.keys(manifest.contributes.configuration.properties);
    return serverOptions(names, (name) => configuration.inspect(name));
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(work, work);
    return this.turn;
  }

  private become(state: ServerState): void {
    this.current = state;
    this.changed.fire();
  }

  private trouble(state: 'missing' | 'failed', reason: string): void {
    this.output.error(reason);
    this.become({ state, reason });
    this.events.onTrouble(state, reason);
  }

  private async stopNow(): Promise<void> {
    const running = this.client;
    this.client = undefined;
    try {
      await running?.dispose();
    } catch (error) {
      // It did not answer in time, or never ran; the client ends its process.
      this.output.warn(`stopping: ${message(error)}`);
    }
  }

  private async startNow(): Promise<void> {
    const search = this.search();
    if ('missing' in search) {
      return this.trouble('missing', search.missing);
    }
    this.become({ state: 'starting' });
    const client = this.connect(search.found);
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      this.trouble('failed', `${search.found} did not start: ${message(error)}`);
    }
  }

  private connect(program: string): LanguageClient {
    const crashes = new Crashes();
    let hasRun = false;
    const client: LanguageClient = new QuietClient('ghostline', 'ghostline', { command: program, args: ['lsp'] }, {
      documentSelector: SELECTOR,
      // Called at each start, after a crash, too.
      initializationOptions: () => (this.started = startOptions(this.options())),
      initializationFailedHandler: () => false,
      outputChannel: this.output,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          const isRestart = client.state === State.Running && crashes.mayRestart(Date.now());
          if (!isRestart && hasRun && client === this.client) {
            this.trouble('failed', `${program} has crashed several times.`);
          }
          return { action: isRestart ? CloseAction.Restart : CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: this.middleware(),
      stdioOptions: {
        // The protocol.
        stdout: () => {},
        stderr: (stream) => {
          readline.createInterface({ input: stream }).on('line', (line) => {
            const { level, text } = logLine(line);
            this.output[level](text);
          });
        },
      },
    });
    client.registerFeature(new Announced());
    client.onNotification('ghostline/status', (status: ServerStatus) => this.told(client, status));
    client.onDidChangeState(({ newState }) => {
      if (client !== this.client) {
        return;
      }
      if (newState === State.Running) {
        hasRun = true;
        this.runs(client, program);
      } else if (newState === State.Starting) {
        this.become({ state: 'starting' });
      }
    });
    return client;
  }

  private middleware(): LanguageClientOptions['middleware'] {
    return {
      provideInlineCompletionItems: async (document, position, context, token, next) => {
        try {
          const result = await next(document, position, context, token);
          if (!token.isCancellationRequested) {
            this.events.onAnswered(document, (Array.isArray(result) ? result : result?.items)?.[0]);
          }
          return result;
        } catch {
          // Superseded; what is really wrong stands in the log.
          return undefined;
        }
      },
      workspace: {
        // The client would send all settings with their defaults, and those would overrule the server's own
        // configuration file: `configure` sends what the user has set.
        didChangeConfiguration: async () => {},
        configuration: ({ items }) =>
          items.map(({ section }) => (section === 'ghostline' ? this.options() : null)),
      },
    };
  }

  private runs(client: LanguageClient, program: string): void {
    const own = (this.context.extension.packageJSON as { version: string }).version;
    const wrong = mismatch(client.initializeResult?.serverInfo, own, program);
    if (wrong !== undefined) {
      this.output.warn(wrong);
    }
    this.become(wrong === undefined ? { state: 'running' } : { state: 'running', mismatch: wrong });
    // The client says "running" within its start; once that is over it has opened the documents, too.
    client.start().then(
      () => this.greet(client),
      () => {
        // The one who started it is told.
      },
    );
  }

  private greet(client: LanguageClient): void {
    if (client !== this.client || !client.isRunning()) {
      return;
    }
    this.sendOptions();
    this.events.onRunning();
    client.sendRequest<ServerStatus>('ghostline/status').then(
      (status) => this.told(client, status),
      () => {
        // A server without it tells nothing.
      },
    );
  }

  private told(client: LanguageClient, status: ServerStatus): void {
    if (client === this.client && this.current.state === 'running') {
      this.become({ ...this.current, status });
    }
  }

  private sendOptions(): void {
    this.notify('workspace/didChangeConfiguration', { settings: { ghostline: this.options() } });
  }
}

/** Errors stand in the log and in the status bar; the client would show each as a message of its own. */
class QuietClient extends LanguageClient {
  override error(text: string, data?: unknown): void {
    super.error(text, data, false);
  }
}

/** What this client can do beyond the language client's own. */
class Announced implements StaticFeature {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    // An item that starts at the word's start is kept by VS Code when some of the word is deleted.
    capabilities.experimental = { ...capabilities.experimental, ghostline: { status: true, wholeWord: true } };
    // The status bar shows how far the model is loaded; one place is enough.
    capabilities.window = { ...capabilities.window, workDoneProgress: false };
  }

  /** The client registers every command of the server's; one of another extension's name would end in an error. */
  preInitialize({ executeCommandProvider }: ServerCapabilities): void {
    if (executeCommandProvider !== undefined) {
      const isOwn = (command: string) => command.startsWith('ghostline.');
      executeCommandProvider.commands = executeCommandProvider.commands.filter(isOwn);
    }
  }

  initialize(): void {}

  getState(): { kind: 'static' } {
    return { kind: 'static' };
  }

  clear(): void {}
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
