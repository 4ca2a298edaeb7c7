/**
 * A program that behaves like `ghostline`, as far as the extension can tell: `lsp` writes down what it is told, one
 * message a line, in the file that FAKE_LOG names; `stats` prints FAKE_STATS; anything else is unknown to it.
 */

import { appendFileSync } from 'node:fs';

interface Message {
  id?: number;
  method?: string;
}

const note = (message: object) => appendFileSync(process.env['FAKE_LOG'] ?? '', `${JSON.stringify(message)}\n`);

function send(message: object): void {
  const body = JSON.stringify({ jsonrpc: '2.0', ...message });
  process.stdout.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

const READY = {
  state: 'ready',
  model: { name: 'tiny', threads: 2, gpuLayers: 0 },
  enabled: true,
  medianLatencyMs: 7.25,
  shown: 3,
  accepted: 1,
};

const ANSWERS: Record<string, unknown> = {
  initialize: {
    serverInfo: { name: 'ghostline', version: process.env['FAKE_VERSION'] ?? '0.1.0' },
    capabilities: {
      positionEncoding: 'utf-16',
      textDocumentSync: { openClose: true, change: 2 },
      inlineCompletionProvider: true,
      executeCommandProvider: { commands: ['ghostline.accepted', 'other.accepted'] },
    },
  },
  'textDocument/inlineCompletion': {
    items: [{
      insertText: ' 1;',
      range: { start: { line: 0, character: 7 }, end: { line: 0, character: 7 } },
      command: { title: 'accepted', command: 'ghostline.accepted', arguments: ['s1'] },
    }],
  },
  'ghostline/status': READY,
};

function hear(message: Message): void {
  note(message);
  if (message.method === 'exit') {
    process.exit(0);
  }
  if (message.method === 'initialized') {
    // As the real one does; and a word about the model.
    const registration = {
      id: 'ghostline-configuration',
      method: 'workspace/didChangeConfiguration',
      registerOptions: { section: 'ghostline' },
    };
    send({ id: 1, method: 'client/registerCapability', params: { registrations: [registration] } });
  } else if (message.method !== undefined && message.id !== undefined) {
    send({ id: message.id, result: ANSWERS[message.method] ?? null });
  }
}

const statistics = process.env['FAKE_STATS'];
if (process.argv[2] === 'stats' && statistics !== undefined) {
  console.log(statistics);
  process.exit(0);
}
if (process.argv[2] !== 'lsp') {
  process.stderr.write(`error: unrecognized subcommand '${process.argv[2]}'\n`);
  process.exit(2);
}
note({ pid: process.pid });
let unread = Buffer.alloc(0);
process.stdin.on('data', (chunk: Buffer) => {
  unread = Buffer.concat([unread, chunk]);
  for (;;) {
    const head = unread.indexOf('\r\n\r\n');
    const length = Number(/Content-Length: (\d+)/.exec(unread.toString('latin1', 0, Math.max(head, 0)))?.[1]);
    if (head < 0 || unread.length < head + 4 + length) {
      return;
    }
    const body = unread.toString('utf8', head + 4, head + 4 + length);
    unread = unread.subarray(head + 4 + length);
    hear(JSON.parse(body) as Message);
  }
});
process.stdin.on('end', () => process.exit(0));
