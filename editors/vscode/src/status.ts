/** What the status bar says. No VS Code in here, so that it is tested without one. */

/** `ghostline/status`, as far as it is shown here; docs/protocol.md has all of it. Older servers lack fields. */
export interface ServerStatus {
  state: 'loading' | 'ready' | 'failed';
  percent?: number;
  /** When failed: what is wrong and the way out. */
  message?: string;
  model?: { name: string; threads?: number; gpu?: string; gpuLayers?: number };
  /** With `engine.kind = "remote"`: the hosts that get text, none while none may, and why it does not go. */
  remote?: { textGoesTo: string[]; message?: string };
  /** `completion.enabled`, wherever it was set. */
  enabled?: boolean;
  /** `languages.disabled`, wherever it was set. */
  disabledLanguages?: string[];
  mode?: string;
  medianLatencyMs?: number;
  shown?: number;
  accepted?: number;
}

/** The server's process, as the extension knows it. */
export type Server =
  | { state: 'missing' | 'failed'; reason: string }
  | { state: 'starting' }
  | { state: 'running'; status?: ServerStatus; mismatch?: string };

/** All that the status bar and its menu depend on. */
export interface View {
  server: Server;
  isOn: boolean;
  /** The language of the focused document, if ghostline serves that one. */
  language?: { id: string; isOn: boolean };
}

export interface Shown {
  text: string;
  tooltip: string;
  severity: 'none' | 'warning' | 'error';
}

/** The longest model name in the status bar; the tooltip has all of it. */
const MAX_NAME = 24;

export function shown(view: View): Shown {
  const { text, severity } = headline(view);
  return { text, severity, tooltip: [...details(view), 'Click for more.'].join('\n') };
}

/** What is wrong, if anything. */
export function problem(server: Server): string | undefined {
  switch (server.state) {
    case 'missing':
    case 'failed':
      return server.reason;
    case 'starting':
      return undefined;
    case 'running':
      return server.status?.state === 'failed'
        ? (server.status.message ?? 'The model cannot be used.')
        : server.mismatch;
  }
}

function headline({ server, isOn, language }: View): Omit<Shown, 'tooltip'> {
  if (problem(server) !== undefined) {
    // An older or newer program may well work.
    const works = server.state === 'running' && server.status?.state !== 'failed';
    return works
      ? { text: '$(warning) ghostline', severity: 'warning' }
      : { text: '$(error) ghostline', severity: 'error' };
  }
  if (!isOn) {
    return { text: '$(circle-slash) ghostline off', severity: 'none' };
  }
  if (language?.isOn === false) {
    return { text: `$(circle-slash) ghostline off for ${plain(language.id)}`, severity: 'none' };
  }
  const status = server.state === 'running' ? server.status : undefined;
  if (status?.state !== 'ready') {
    const percent = status?.percent === undefined ? '' : ` ${Math.round(status.percent)}%`;
    return { text: `$(loading~spin) ghostline${percent}`, severity: 'none' };
  }
  const [host] = status.remote?.textGoesTo ?? [];
  const name = host ?? status.model?.name ?? 'ghostline';
  const parts = [short(plain(name)), latency(status)];
  // That text leaves the machine is to be seen without asking.
  const icon = host === undefined ? 'sparkle' : 'cloud-upload';
  return { text: `$(${icon}) ${parts.filter((part) => part !== undefined).join(' · ')}`, severity: 'none' };
}

function details({ server, isOn, language }: View): string[] {
  const lines = [];
  const wrong = problem(server);
  if (wrong !== undefined) {
    lines.push(`ghostline: ${wrong}`);
  } else if (!isOn) {
    lines.push('ghostline is off.');
  } else if (language?.isOn === false) {
    lines.push(`ghostline is off for ${language.id}.`);
  } else if (server.state === 'starting') {
    lines.push('ghostline is starting.');
  } else if (server.state === 'running' && server.status?.state !== 'ready') {
    lines.push('ghostline loads its model.');
  } else {
    lines.push('ghostline is ready.');
  }
  const status = server.state === 'running' ? server.status : undefined;
  if (status?.model !== undefined) {
    lines.push(`Model: ${status.model.name}`, `Runs on ${device(status.model)}`);
  }
  if (status?.remote !== undefined) {
    const hosts = status.remote.textGoesTo;
    lines.push(hosts.length > 0 ? `Text goes to ${hosts.join(', ')}` : 'Text stays on this machine');
    lines.push(...(status.remote.message === undefined ? [] : [status.remote.message]));
  }
  const median = status === undefined ? undefined : latency(status);
  if (median !== undefined) {
    lines.push(`Median time to an answer: ${median}`);
  }
  if (status?.mode !== undefined && status.mode !== 'automatic') {
    lines.push(`Eagerness: ${status.mode}`);
  }
  if (status?.shown !== undefined && status.accepted !== undefined) {
    lines.push(`In this session: ${status.shown} shown, ${status.accepted} accepted`);
  }
  return lines;
}

function device(model: NonNullable<ServerStatus['model']>): string {
  const count = model.threads;
  const threads = count === undefined ? 'the CPU' : `${count} CPU ${count === 1 ? 'thread' : 'threads'}`;
  return model.gpu !== undefined && (model.gpuLayers ?? 0) > 0
    ? `${model.gpu} (${model.gpuLayers} layers), ${threads}`
    : threads;
}

function latency(status: ServerStatus): string | undefined {
  const median = status.medianLatencyMs;
  return median === undefined ? undefined : `${median < 10 ? median.toFixed(1) : Math.round(median)} ms`;
}

function short(name: string): string {
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 1)}…`;
}

/** The status bar takes `$(…)` for an icon; a model file may be called anything. */
function plain(name: string): string {
  return name.replace(/\$\(/g, '(').replace(/\s+/g, ' ').trim();
}
